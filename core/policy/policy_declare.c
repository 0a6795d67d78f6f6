/* SPDX-License-Identifier: MIT */
/* policy_declare.c - the live tables that a policy declares; their contents: first_contents.c. */
#include "policy/policy_declare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/struct_size.h"
#include "bpf/layout/table_layout.h"
#include "parse/local_elements.h"
#include "parse/table_name.h"
#include "policy/policy.h"
#include "tidegate.h"

#define DEFAULT_SET_SIZE 65536u
#define DEFAULT_SERVICES 1024u

int tg_policy_find_table(const struct tg_policy *policy, const char *name)
{
	for (uint32_t i = 0; i < policy->table_count; i++)
		if (!strcmp(policy->tables[i].name, name))
			return (int)i;
	return -1;
}

void tg_policy_look_for_table(const struct tg_policy *policy, struct tg_nearest *nearest)
{
	for (uint32_t i = 0; i < policy->table_count; i++)
		tg_nearest_try(nearest, policy->tables[i].name);
}

uint64_t tg_policy_service_rows(const struct tg_policy_table *table)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < table->service_count; i++)
		rows += 1 + tg_block_rows(table->services[i].backends.count);
	return rows;
}

/* Twice the declared services; a service with many backends counts as several. */
static uint32_t services_size(const struct tg_policy_table *table)
{
	uint64_t size = 2ull * table->service_count, by_rows = tg_policy_service_rows(table) / 4;

	size = by_rows > size ? by_rows : size;
	size = size < DEFAULT_SERVICES ? DEFAULT_SERVICES : size;
	return size < TG_MAX_SERVICES ? (uint32_t)size : TG_MAX_SERVICES;
}

uint32_t tg_policy_table_size(const struct tg_policy_table *table)
{
	size_t size = 2 * table->elements.count;

	if (table->size)
		return table->size;
	if (table->kind == TG_TABLE_SERVICES)
		return services_size(table);
	if (size < DEFAULT_SET_SIZE)
		return DEFAULT_SET_SIZE;
	return size < TG_MAX_SET_SIZE ? (uint32_t)size : TG_MAX_SET_SIZE;
}

void tg_policy_tables_free(struct tg_policy *policy)
{
	for (uint32_t i = 0; i < policy->table_count; i++) {
		free(policy->tables[i].name);
		tg_elements_free(&policy->tables[i].elements);
		for (uint32_t k = 0; k < policy->tables[i].service_count; k++)
			tg_backends_free(&policy->tables[i].services[k].backends);
		free(policy->tables[i].services);
		free(policy->tables[i].buckets);
	}
	free(policy->tables);
}

static const char *const kind_names[] = {
	[TG_TABLE_SET] = "set",
	[TG_TABLE_SERVICES] = "services",
};

static int check_declaration(const struct tg_policy *policy, enum tg_table_kind kind,
			     const char *name, uint32_t size)
{
	const char *what = kind_names[kind];
	uint32_t most = kind == TG_TABLE_SET ? TG_MAX_SET_SIZE : TG_MAX_SERVICES;
	int other = tg_policy_find_table(policy, name);

	if (other >= 0)
		return tg_fail(-EEXIST, "%s \"%s\": is declared already%s%s", what, name,
			       policy->tables[other].kind == kind ? "" : ", as ",
			       policy->tables[other].kind == kind
				       ? ""
				       : kind_names[policy->tables[other].kind]);
	if (size > most)
		return tg_fail(-E2BIG, "%s \"%s\": size: %u is over the limit of %u", what, name,
			       size, most);
	if (policy->table_count == TG_MAX_TABLES)
		return tg_fail(-E2BIG, "%s \"%s\": a policy has at most %u sets and services", what,
			       name, TG_MAX_TABLES);
	return 0;
}

/* `table` is the declaration, without its name. */
static int declare(struct tg_policy *policy, const char *name, struct tg_policy_table table)
{
	int error = check_declaration(policy, table.kind, name, table.size);

	if (!error)
		error = tg_array_reserve(policy->tables, policy->table_capacity,
					 policy->table_count + 1, "sets and services");
	if (error)
		return error;
	table.name = strdup(name);
	if (!table.name)
		return tg_fail(-ENOMEM, "out of memory: no room for a name");
	policy->tables[policy->table_count++] = table;
	return 0;
}

/* Check what a caller says of a table. */
static int check_given(const char *what, const char *name, uint32_t flags)
{
	return tg_table_name_check(name) || tg_check_bits("flags", flags, TG_TABLE_READONLY)
		       ? tg_fail(-EINVAL, "%s \"%s\": %s", what, name, tg_error())
		       : 0;
}

int tg_policy_declare_local(struct tg_policy *policy)
{
	struct tg_policy_table table = {.kind = TG_TABLE_SET, .size = TG_LOCAL_SET_SIZE};
	int error = 0;

	if (tg_policy_find_table(policy, TG_LOCAL_SET) >= 0)
		return 0;
	error = tg_local_elements_add(&table.elements);
	if (!error && table.elements.count > table.size)
		error = tg_fail(-ENOSPC,
				"@local: the host has more addresses than it has room for");
	if (!error)
		error = declare(policy, TG_LOCAL_SET, table);
	if (error)
		tg_elements_free(&table.elements);
	return error;
}

int tg_policy_declare_set(struct tg_policy *policy, const char *name,
			  const struct tg_set_options *given)
{
	static const struct tg_struct_kind kind = {"tg_set_options",
						   TG_STRUCT_FIRST(tg_set_options, flags),
						   sizeof(struct tg_set_options)};
	struct tg_set_options options = {0};
	int error = TG_REQUIRE(policy) ?: TG_REQUIRE(name);

	if (!error && given)
		error = tg_struct_take(&kind, &options, given);
	if (!error)
		error = check_given("set", name, options.flags);
	if (!error && tg_ttl_check(options.ttl_ms))
		error = tg_fail(-EINVAL, "set \"%s\": %s", name, tg_error());
	if (error)
		return error;
	return declare(policy, name,
		       (struct tg_policy_table){
			       .kind = TG_TABLE_SET,
			       .size = options.capacity,
			       .ttl_ms = options.ttl_ms == TG_TTL_FOREVER ? 0 : options.ttl_ms,
			       .flags = options.flags,
		       });
}

int tg_policy_declare_services(struct tg_policy *policy, const char *name,
			       const struct tg_services_options *given)
{
	static const struct tg_struct_kind kind = {"tg_services_options",
						   TG_STRUCT_FIRST(tg_services_options, flags),
						   sizeof(struct tg_services_options)};
	struct tg_services_options options = {0};
	int error = TG_REQUIRE(policy) ?: TG_REQUIRE(name);

	if (!error && given)
		error = tg_struct_take(&kind, &options, given);
	if (!error)
		error = check_given("services", name, options.flags);
	if (error)
		return error;
	return declare(policy, name,
		       (struct tg_policy_table){
			       .kind = TG_TABLE_SERVICES,
			       .size = options.capacity,
			       .flags = options.flags,
		       });
}
