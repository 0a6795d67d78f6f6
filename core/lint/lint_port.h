/* SPDX-License-Identifier: MIT */
/* lint_port.h - denials of bind that do not see the ports that the kernel picks. */
#ifndef TG_LINT_LINT_PORT_H
#define TG_LINT_LINT_PORT_H

#include "lint/lint.h"

/* Add a finding if the rule denies some ports, and a bind to port 0 passes. */
int tg_lint_port(struct tg_lint *lint, const struct tg_lint_rule *rule);

/* Add a finding if the default refuses to bind to ports, and no rule is about that. */
int tg_lint_default_bind(struct tg_lint *lint);

#endif
