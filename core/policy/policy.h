/* SPDX-License-Identifier: MIT */
/*
 * policy.h - what a policy is in memory, between its text and its image.
 *
 * list.c and policy.c fill these in; compile.c reads them.  All sets are
 * normal (interval.h), all values checked, all names resolved.
 */
#ifndef TG_POLICY_POLICY_H
#define TG_POLICY_POLICY_H

#include "base/interval.h"
#include "bpf/layout/image_layout.h"
#include "parse/backend.h"
#include "parse/element.h"
#include "parse/unix_path.h"
#include "parse/vip.h"
#include "policy/balance.h"
#include "policy/rate.h"
#include "system/cgroup_chain.h"
#include "tidegate.h"

/*
 * One product of an endpoint list: an address of addr4 or addr6, and a port.
 * The sets of one list's products may overlap.  "*" is all of all three.  An
 * IPv4 pattern has an empty addr6, and the other way round; v4-mapped
 * addresses are in addr4 (32 bits) only.
 */
struct tg_product {
	struct tg_intervals addr4;
	struct tg_intervals addr6;
	struct tg_intervals port;
};

struct tg_set_uses;

/*
 * What a list means.  Endpoint lists are products and paths; of cgroups it is
 * the list, since what they are as keys depends on all that an operation's
 * rules name; every other field is one set of keys: numbers, or 16 bytes of
 * comm as a big-endian number.
 */
struct tg_list_sets {
	enum tg_field field;
	struct tg_product *products;
	size_t product_count;
	struct tg_path_set paths; /* unix sockets, beside the products */
	struct tg_set_uses *uses; /* of live sets, beside the products; NULL: none */
	struct tg_intervals set;
	struct tg_cgroups cgroups; /* of TG_FIELD_CGROUP, in its place */
};

/*
 * Work out what a list means: its positive items, or everything if there are
 * none but negative ones, less the negative ones.  An empty list means nothing.
 */
int tg_list_to_sets(const struct tg_list *list, struct tg_list_sets *sets);
void tg_list_sets_free(struct tg_list_sets *sets);

struct tg_policy_rule {
	char *name;
	char *where;
	char *text;
	uint32_t ops;
	struct tg_term effect;       /* slot and rule still 0 */
	struct tg_path to_path;      /* rewrite: the unix socket to go to */
	uint32_t to_path_bytes;      /* 0: it goes to none */
	struct tg_options options;   /* where effect has TG_EFFECT_SET */
	struct tg_backends backends; /* of balance */
	struct tg_balance balance;   /* of balance */
	struct tg_rate rate;         /* where it has TG_EFFECT_RATE */
	uint32_t given;              /* bits, 1 << enum tg_field: which meanings are set */
	struct tg_list_sets match[TG_FIELDS];
};

struct tg_policy_service {
	struct tg_vip_key vip;
	struct tg_backends backends;
};

/* A live table, as a policy declares it. */
struct tg_policy_table {
	char *name;
	enum tg_table_kind kind;
	uint32_t size; /* 0: not said */
	uint64_t ttl_ms;
	struct tg_elements elements;
	struct tg_policy_service *services; /* of a table of services, in place of elements */
	uint32_t service_count, service_room;
};

struct tg_policy {
	char *name;
	struct tg_policy_table *tables;
	uint32_t table_count;
	struct tg_policy_rule *rules;
	uint32_t rule_count;
	uint32_t rule_room;
	uint32_t *by_name; /* 2 * rule_room places: a rule's number from 1, by hash of its name */
	uint8_t defaults[TG_OPS]; /* enum tg_verb */
	uint8_t on_error;
};

/* The number of a table of this name, or -1. */
int tg_policy_find_table(const struct tg_policy *policy, const char *name);

/* The elements, or services, that a declared table has room for. */
uint32_t tg_policy_table_size(const struct tg_policy_table *table);

/* The rows that services take in an image. */
uint64_t tg_policy_service_rows(const struct tg_policy_table *table);

void tg_policy_tables_free(struct tg_policy *policy);

/* -EINVAL: a rule's parts contradict each other.  For tg_policy_compile() to call first. */
int tg_policy_check(const struct tg_policy *policy);

/*
 * Fail with the text `where: verb "name": what`, as every complaint about a
 * rule reads; returns `error`.
 */
int tg_rule_error(const struct tg_policy_rule *rule, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
