/* SPDX-License-Identifier: MIT */
/*
 * service.h - a table of services: who changes it, how.
 *
 * All but tg_service_table_rows() and tg_service_list() want the table's lock.
 */
#ifndef TG_TABLE_SERVICE_H
#define TG_TABLE_SERVICE_H

#include "bpf/layout/service_layout.h"
#include "parse/backend.h"
#include "table/table.h"

/* Rows 1 to TG_SET_ROW: what the writers know. */
struct tg_service_books {
	uint32_t size;     /* services that it has room for */
	uint32_t count;    /* services */
	uint32_t changing; /* a writer is at it, or died at it */
	uint32_t word;     /* of the bitmap, where the next search for units starts */
};

/* A VIP, as tables have it; where an image says what services there are at first, before a block.
 */
struct tg_vip_key {
	uint64_t high, low; /* IPv4 is v4-mapped */
	uint32_t what;      /* TG_VIP_WHAT() */
	uint32_t reserved[11];
};

_Static_assert(sizeof(struct tg_vip_key) == TG_ROW_BYTES, "a row");

/* "10.96.0.10:80/tcp" */
int tg_vip_parse(const char *text, struct tg_vip_key *vip);

/* What a call asks for, network order and host order, as a VIP: 0.0.0.0 and :: as what they mean.
 */
struct tg_vip_key tg_vip_asked(const uint8_t addr[16], uint32_t port, uint32_t proto);

/* A VIP's backends are of its family, and have a port if it is not to be the VIP's. */
int tg_vip_check(const struct tg_vip_key *vip, const struct tg_backends *backends);

void tg_vip_show(const struct tg_vip_key *vip, uint32_t backends, struct tg_vip_info *info);

uint64_t tg_service_table_rows(uint32_t size);

/* Make an empty table of zeros. */
void tg_service_table_init(const struct tg_table *table, uint32_t size);

struct tg_service_books *tg_service_books_of(const struct tg_table *table);

/* Take up the lock, and what a writer that died left. */
int tg_service_change(const struct tg_table *table);
void tg_service_change_end(const struct tg_table *table);

/* Give a VIP these backends, at once for who reads; -ENOSPC: nothing has changed. */
int tg_service_table_put(const struct tg_table *table, const struct tg_vip_key *vip,
			 const struct tg_backends *backends);

/* 1, or 0 where there was no such VIP. */
int tg_service_table_remove(const struct tg_table *table, const struct tg_vip_key *vip);

/* The VIP at place `*at` or behind, and *at to the place after it: from 0 on, until it gives 0. */
int tg_service_table_next(const struct tg_table *table, uint64_t *at, struct tg_vip_key *vip,
			  uint32_t *backends);

/* 1, and how many backends it has; or 0. */
int tg_service_table_find(const struct tg_table *table, const struct tg_vip_key *vip,
			  uint32_t *backends);

/* Backend `index` of a VIP, and what it was picked; -ERANGE. */
int tg_service_table_backend(const struct tg_table *table, const struct tg_vip_key *vip,
			     uint32_t index, struct tg_backend_info *info);

/* The list of a VIP's state, without the lock: by now it may be somebody else's. */
struct tg_backend_rows tg_service_list(const struct tg_table_rows *table, uint64_t state);

#endif
