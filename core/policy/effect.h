/* SPDX-License-Identifier: MIT */
/* effect.h - what a rule does, from its text to the row of its terms. */
#ifndef TG_POLICY_EFFECT_H
#define TG_POLICY_EFFECT_H

#include "bpf/layout/image_layout.h"
#include "parse/unix_path.h"
#include "tidegate.h"

/*
 * Check a rule's verb, operations and effects, and fill in all of *term but
 * slot and rule.  The text of a failure begins with the field's name.
 */
int tg_effect_parse(struct tg_term *term, const struct tg_rule *rule);

/* Where a call may be led: sets address, port and the effects of `term`. */
int tg_effect_to(const char *text, uint32_t ops, struct tg_term *term);

/* Where a rule leads unix sockets; *path and *bytes stay where it leads none. */
int tg_effect_path(const struct tg_rule *rule, struct tg_path *path, uint32_t *bytes);

#endif
