/* SPDX-License-Identifier: MIT */
/* effect.h - what a rule does, from its text to the row of its terms. */
#ifndef TG_POLICY_EFFECT_H
#define TG_POLICY_EFFECT_H

#include "policy/mistakes.h"
#include "tidegate.h"

/*
 * Check a rule's verb, operations and effects, and fill in all of fresh->effect except
 * slot and rule, and the addresses to choose from.  The text of a mistake begins with
 * the field's name.
 */
void tg_effect_parse(struct tg_policy_rule *fresh, const struct tg_rule *rule,
		     struct tg_mistakes *mistakes);

#endif
