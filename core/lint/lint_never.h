/* SPDX-License-Identifier: MIT */
/* lint_never.h - rules that can never match. */
#ifndef TG_LINT_LINT_NEVER_H
#define TG_LINT_LINT_NEVER_H

#include "lint/lint.h"

/* What a rule can still match; the first three are bits, 1 << enum tg_op. */
struct tg_lint_reach {
	uint32_t nothing;                  /* operations in which it matches no call */
	uint32_t taken;                    /* in which earlier rules take all of its calls */
	uint32_t open;                     /* in which it may match */
	uint32_t covering[TG_COVER_TERMS]; /* the earlier rules */
	uint32_t covering_count;
};

int tg_lint_reach(struct tg_lint *lint, const struct tg_lint_rule *rule,
		  struct tg_lint_reach *reach);

/* Whether the rule decides no call, or only calls that exceed a rate. */
bool tg_lint_is_shadow(const struct tg_lint *lint, const struct tg_lint_rule *rule);

/* Add the finding that the rule can never match, in one of its operations or in all. */
int tg_lint_never(struct tg_lint *lint, const struct tg_lint_rule *rule,
		  const struct tg_lint_reach *reach);

#endif
