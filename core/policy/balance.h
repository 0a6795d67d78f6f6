/* SPDX-License-Identifier: MIT */
/* balance.h - how a rule chooses a backend. */
#ifndef TG_POLICY_BALANCE_H
#define TG_POLICY_BALANCE_H

#include <stdint.h>

#include "tidegate.h"

struct tg_balance {
	uint32_t by; /* enum tg_balance_by */
	uint32_t
		sticky_by; /* enum tg_balance_by: calls with the same value stay with one backend */
	uint32_t sticky_ms; /* 0: no calls stay */
};

/* Read "by", "key" and "sticky" of a rule. */
int tg_balance_parse(const struct tg_rule *rule, struct tg_balance *balance);

#endif
