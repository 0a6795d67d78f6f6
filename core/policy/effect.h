/* SPDX-License-Identifier: MIT */
/* effect.h - what a rule does, from its text to the row of its terms. */
#ifndef TG_POLICY_EFFECT_H
#define TG_POLICY_EFFECT_H

#include "bpf/layout/image_layout.h"
#include "tidegate.h"

/* The kernel lets the hooks of these change an answer, but not refuse the call. */
#define TG_OPS_REPORTS (1u << TG_OP_RECVMSG | 1u << TG_OP_GETPEERNAME | 1u << TG_OP_GETSOCKNAME)

/*
 * Check a rule's verb, operations and effects, and fill in all of *term except
 * slot and rule.  The text of a failure begins with the field's name.
 */
int tg_effect_parse(struct tg_term *term, const struct tg_rule *rule);

#endif
