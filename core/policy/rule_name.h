/* SPDX-License-Identifier: MIT */
/* rule_name.h - what a rule may be called, and what it may say. */
#ifndef TG_POLICY_RULE_NAME_H
#define TG_POLICY_RULE_NAME_H

#include "policy/policy.h"

/* Fail if the rule's name is empty, too long, not printable, or a kind of handlers. */
int tg_rule_name_check(const struct tg_policy_rule *rule);

/* Fail if a text of the rule is not printable, or its message is empty or too long. */
int tg_rule_texts_check(const struct tg_policy_rule *rule);

#endif
