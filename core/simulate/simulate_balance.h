/* SPDX-License-Identifier: MIT */
/* simulate_balance.h - the backend that a call goes to. */
#ifndef TG_SIMULATE_SIMULATE_BALANCE_H
#define TG_SIMULATE_SIMULATE_BALANCE_H

#include "table/backend_rows.h"
#include "simulate/ask.h"

/* The backends that a balance term chooses from for the call.  False: there are none. */
bool tg_balance_backends(const struct tg_asked *asked, const struct tg_term_rest *rest,
			 struct tg_backend_rows *backends);

/* Decide a call that a balance term matches.  -EFAULT: damaged image. */
int tg_balance_decide(const struct tg_asked *asked, const struct tg_term *term,
		      const struct tg_query *query, struct tg_decision *decision);

#endif
