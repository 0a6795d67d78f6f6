/* SPDX-License-Identifier: MIT */
/* simulate.h - what the files that decide without the kernel share. */
#ifndef TG_SIMULATE_H
#define TG_SIMULATE_H

#include "../bpf/fields.h"
#include "../bpf/service.h"
#include "address.h"
#include "tidegate.h"

#define ROOT_CGROUP 1 /* its id */

/* The list that a call is balanced over; NULL: there is none. */
const struct tg_block *tg_balance_list(const struct tg_view *view, const struct tg_more *more,
				       const struct tg_query *query);

/* What becomes of a call that a balance term decides; -EFAULT. */
int tg_balance_decide(const struct tg_view *view, const struct tg_term *term,
		      const struct tg_query *query, struct tg_decision *decision);

#endif
