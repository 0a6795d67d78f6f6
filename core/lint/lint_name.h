/* SPDX-License-Identifier: MIT */
/* lint_name.h - names in a rule's effects that have more addresses than the rule uses. */
#ifndef TG_LINT_LINT_NAME_H
#define TG_LINT_LINT_NAME_H

#include "lint/lint.h"

int tg_lint_name_addresses(struct tg_lint *lint, const struct tg_lint_rule *rule);

#endif
