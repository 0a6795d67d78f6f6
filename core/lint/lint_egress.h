/* SPDX-License-Identifier: MIT */
/* lint_egress.h - denials of connects and datagrams that do less than they say, or more. */
#ifndef TG_LINT_LINT_EGRESS_H
#define TG_LINT_LINT_EGRESS_H

#include "lint/lint.h"

/* Denials of UDP that connected sockets get past. */
int tg_lint_defeated(struct tg_lint *lint, const struct tg_lint_rule *rule);

/* Denials of everything that also deny the loopback: by a rule, and by the default. */
int tg_lint_loopback(struct tg_lint *lint, const struct tg_lint_rule *rule);
int tg_lint_default_loopback(struct tg_lint *lint);

#endif
