/* SPDX-License-Identifier: MIT */
/* policy_declare.h - the live tables that a policy declares. */
#ifndef TG_POLICY_POLICY_DECLARE_H
#define TG_POLICY_POLICY_DECLARE_H

#include <stdint.h>

#include "base/nearest.h"
#include "parse/backend.h"
#include "parse/element.h"
#include "parse/vip.h"
#include "tidegate.h"

struct tg_policy_service {
	struct tg_vip_key vip;
	struct tg_backends backends;
};

struct tg_policy_table {
	char *name;
	enum tg_table_kind kind;
	uint32_t size;                      /* as declared; 0: no size was given */
	uint64_t ttl_ms;                    /* 0: for ever */
	uint32_t flags;                     /* TG_TABLE_READONLY */
	struct tg_elements elements;        /* of a set */
	struct tg_policy_service *services; /* of a table of services */
	uint32_t service_count, service_capacity;
	uint32_t *buckets; /* of the services, by their VIPs: see first_contents.c */
	uint32_t bucket_count;
};

/* The number of the table of this name, or -1. */
int tg_policy_find_table(const struct tg_policy *policy, const char *name);

/* Look among them for the one that was meant. */
void tg_policy_look_for_table(const struct tg_policy *policy, struct tg_nearest *nearest);

/* The number of elements or services that a declared table has room for. */
uint32_t tg_policy_table_size(const struct tg_policy_table *table);

/* The number of rows that the services of a table take in an image. */
uint64_t tg_policy_service_rows(const struct tg_policy_table *table);

/* Declare the set behind "@local", with the addresses that the host has now, once. */
int tg_policy_declare_local(struct tg_policy *policy);

void tg_policy_tables_free(struct tg_policy *policy);

#endif
