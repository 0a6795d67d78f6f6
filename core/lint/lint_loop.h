/* SPDX-License-Identifier: MIT */
/* lint_loop.h - rewrites and balances that send calls round in a loop. */
#ifndef TG_LINT_LINT_LOOP_H
#define TG_LINT_LINT_LOOP_H

#include "lint/lint.h"

int tg_lint_loop(struct tg_lint *lint, const struct tg_lint_rule *rule);

#endif
