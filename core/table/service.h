/* SPDX-License-Identifier: MIT */
/*
 * service.h - changing and reading a table of services.
 *
 * The caller holds the table's lock in all functions except
 * tg_service_table_rows() and tg_service_backends().
 */
#ifndef TG_TABLE_SERVICE_H
#define TG_TABLE_SERVICE_H

#include "bpf/layout/service_layout.h"
#include "parse/vip.h"
#include "table/backend_rows.h"
#include "table/table.h"

/* In rows 1 to TG_SET_ROW - 1, which only writers read. */
struct tg_service_books {
	uint32_t size;     /* services that it has room for */
	uint32_t count;    /* services */
	uint32_t changing; /* a writer is changing the table, or died while it did */
	uint32_t hint;     /* of the arena: see struct tg_arena */
};

uint64_t tg_service_table_rows(uint32_t size);

/* Turn rows of zeros into an empty table. */
void tg_service_table_init(const struct tg_table *table, uint32_t size);

struct tg_service_books *tg_service_books_of(const struct tg_table *table);

/* Lock the table, and repair what a writer that died has left; -ENOMEM.  ..._end() unlocks it. */
int tg_service_change(const struct tg_table *table);
void tg_service_change_end(const struct tg_table *table);

/* Give a VIP these backends, in one step for readers.  -ENOSPC: nothing has changed. */
int tg_service_table_put(const struct tg_table *table, const struct tg_vip_key *vip,
			 const struct tg_backends *backends);

/* Remove a VIP: 1, or 0 if it did not exist. */
int tg_service_table_remove(const struct tg_table *table, const struct tg_vip_key *vip);

/*
 * 1, and the VIP at place `*at` or after it; *at becomes the place after that
 * VIP.  0: there are no more.  Start with 0.
 */
int tg_service_table_next(const struct tg_table *table, uint64_t *at, struct tg_vip_key *vip,
			  uint32_t *backends);

/* 1, and how many backends the VIP has; 0: there is no such VIP. */
int tg_service_table_find(const struct tg_table *table, const struct tg_vip_key *vip,
			  uint32_t *backends);

/* Backend `index` of a VIP, and how often it has been picked.  -ERANGE: it has none such. */
int tg_service_table_backend(const struct tg_table *table, const struct tg_vip_key *vip,
			     uint32_t index, struct tg_backend_info *info);

/*
 * The backends at which a VIP's state points.  Without the lock: by now the rows
 * may belong to another VIP.
 */
struct tg_backend_rows tg_service_backends(const struct tg_table_rows *table, uint64_t state);

#endif
