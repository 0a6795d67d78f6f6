/* SPDX-License-Identifier: MIT */
/* policy_check.h - rules whose parts contradict each other. */
#ifndef TG_POLICY_POLICY_CHECK_H
#define TG_POLICY_POLICY_CHECK_H

#include "tidegate.h"

/* Called first when a policy is compiled.  -EINVAL: the parts of a rule contradict each other. */
int tg_policy_check(const struct tg_policy *policy);

#endif
