/* SPDX-License-Identifier: MIT */
/* lint_unseen.h - rules for calls that no hook sees. */
#ifndef TG_LINT_LINT_UNSEEN_H
#define TG_LINT_LINT_UNSEEN_H

#include "lint/lint.h"

/* 1: no hook sees any call that the rule is about, and that was reported. */
int tg_lint_unseen(struct tg_lint *lint, const struct tg_lint_rule *rule);

#endif
