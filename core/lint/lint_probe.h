/* SPDX-License-Identifier: MIT */
/* lint_probe.h - rules that count what the C library asks, beside what programs do. */
#ifndef TG_LINT_LINT_PROBE_H
#define TG_LINT_LINT_PROBE_H

#include "lint/lint.h"

/* Add a finding if the rule counts connects, and names no protocol. */
int tg_lint_probe(struct tg_lint *lint, const struct tg_lint_rule *rule);

#endif
