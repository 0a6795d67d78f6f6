/* SPDX-License-Identifier: MIT */
/*
 * service.h - changing and reading a table of services.
 *
 * The caller holds the table's lock in all functions that change it.  Those that only read hold
 * without it, but a walk may miss VIPs that come and go, and the rows of backends that are found
 * may belong to another VIP by now: compare tg_service_table_state().
 */
#ifndef TG_TABLE_SERVICE_H
#define TG_TABLE_SERVICE_H

#include "base/struct_size.h"
#include "bpf/layout/service_layout.h"
#include "parse/vip.h"
#include "table/backend_rows.h"
#include "table/table.h"

/* In rows 1 to TG_SET_ROW - 1, which only writers read.  See also struct tg_table_parts. */
struct tg_service_books {
	uint32_t count;    /* services */
	uint32_t changing; /* a writer is changing the table, or died while it did */
	uint32_t hint;     /* of the arena: see struct tg_arena */
	uint32_t wide;     /* how many of the services stand for any port */
};

#define TG_SERVICES_INFO_KIND                                                                      \
	TG_STRUCT_KIND(tg_services_info, TG_STRUCT_FIRST(tg_services_info, reserved))

uint64_t tg_service_table_rows(uint32_t size);

/* Turn rows of zeros into an empty table. */
void tg_service_table_init(struct tg_table *table, uint32_t size);

struct tg_service_books *tg_service_books_of(const struct tg_table *table);

/*
 * Lock the table, and repair it if a writer has died in a change, or if its counts cannot be
 * right; -EBUSY, -ENOMEM.  ..._end() unlocks it.
 */
int tg_service_change(const struct tg_table *table);
void tg_service_change_end(const struct tg_table *table);

/* Give a VIP these backends, in one step for readers.  -ENOSPC: nothing has changed. */
int tg_service_table_put(const struct tg_table *table, const struct tg_vip_key *vip,
			 const struct tg_backends *backends);

/* Remove a VIP: 1, or 0 if it did not exist. */
int tg_service_table_remove(const struct tg_table *table, const struct tg_vip_key *vip);

/*
 * 1, and the VIP at place `*at` or after it, as a whole; *at becomes the place after that
 * VIP.  0: there are no more.  Start with 0.
 */
int tg_service_table_next(const struct tg_table *table, uint64_t *at, struct tg_vip_key *vip,
			  uint32_t *backends);

/* 1, and how many backends the VIP has; 0: there is no such VIP. */
int tg_service_table_find(const struct tg_table *table, const struct tg_vip_key *vip,
			  uint32_t *backends);

/* Whether the table has a VIP that says more than `vip` does of what a call asks for. */
bool tg_service_table_says_more(const struct tg_table *table, const struct tg_vip_key *vip,
				const struct tg_vip_key *asked);

/* Another one each time that a VIP gets other backends; 0: there is no such VIP. */
uint64_t tg_service_table_state(const struct tg_table *table, const struct tg_vip_key *vip);

/* The rows of a VIP's backends; without backends if it does not exist. */
struct tg_backend_rows tg_service_table_backends(const struct tg_table *table,
						 const struct tg_vip_key *vip);

/* The backends at which a VIP's state points; none if it points outside the table. */
struct tg_backend_rows tg_service_backends(const struct tg_table_rows *table, uint64_t state);

#endif
