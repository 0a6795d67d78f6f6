/* SPDX-License-Identifier: MIT */
/* effect.h - what a rule does, from its text to the row of its terms. */
#ifndef TG_POLICY_EFFECT_H
#define TG_POLICY_EFFECT_H

#include "bpf/layout/image_layout.h"
#include "tidegate.h"

/*
 * Check a rule's verb, operations and effects, and fill in all of *term but
 * slot and rule.  The text of a failure begins with the field's name.
 */
int tg_effect_parse(struct tg_term *term, const struct tg_rule *rule);

#endif
