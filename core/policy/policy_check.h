/* SPDX-License-Identifier: MIT */
/* policy_check.h - rules whose parts contradict each other. */
#ifndef TG_POLICY_POLICY_CHECK_H
#define TG_POLICY_POLICY_CHECK_H

#include "tidegate.h"

/* -EINVAL: the parts of a rule contradict each other.  To be called before a policy is compiled. */
int tg_policy_check(const struct tg_policy *policy);

#endif
