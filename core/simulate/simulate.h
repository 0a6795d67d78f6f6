/* SPDX-License-Identifier: MIT */
/* simulate.h - what the files that decide without the kernel share. */
#ifndef TG_SIMULATE_SIMULATE_H
#define TG_SIMULATE_SIMULATE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "bpf/engine/keys.h"
#include "bpf/layout/service_layout.h"
#include "parse/address.h"
#include "parse/backend.h"
#include "tidegate.h"

#define ROOT_CGROUP 1 /* its id */

#define TG_ALL_KEYS ((1ull << TG_KEYS) - 1)

static inline bool tg_query_is_unix(const struct tg_query *query)
{
	return query->family == AF_UNIX;
}

/* A query as the engine takes it. */
struct tg_asked {
	struct tg_view view;
	struct tg_keys keys;
	const struct tg_section *section; /* NULL: nothing is said about the operation */
};

/* tg_image_decide() and tg_image_mismatch() with other tables; NULL: as they are at first. */
int tg_decide(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, struct tg_decision *decision);
int tg_choice(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, uint32_t index, struct tg_backend_info *info);
int tg_mismatch(const struct tg_image *image, const struct tg_table_rows *tables,
		const struct tg_query *query, uint32_t index, uint32_t *fields);

/* With the tables that the keys are looked up in; NULL: as they are at first. */
int tg_ask(const struct tg_image *image, const struct tg_table_rows *tables,
	   const struct tg_query *query, struct tg_asked *asked);

/* The list that a call is balanced over; false: there is none. */
bool tg_balance_list(const struct tg_asked *asked, const struct tg_term_rest *rest,
		     struct tg_backend_rows *list);

/* What becomes of a call that a balance term decides; -EFAULT. */
int tg_balance_decide(const struct tg_asked *asked, const struct tg_term *term,
		      const struct tg_query *query, struct tg_decision *decision);

#endif
