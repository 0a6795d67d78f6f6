/* SPDX-License-Identifier: MIT */
/* policy_declare.c - the live tables that a policy declares. */
#include "policy/policy_declare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "bpf/layout/table_layout.h"
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
	int other = name ? tg_policy_find_table(policy, name) : -1;

	if (!name || !*name)
		return tg_fail(-EINVAL, "a set needs a name");
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

static int declare(struct tg_policy *policy, enum tg_table_kind kind, const char *name,
		   uint32_t size, uint64_t ttl_ms)
{
	struct tg_policy_table table = {.kind = kind, .size = size, .ttl_ms = ttl_ms};
	int error = check_declaration(policy, kind, name, size);

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

int tg_policy_set(struct tg_policy *policy, const char *name, uint32_t size, uint64_t ttl_ms)
{
	return declare(policy, TG_TABLE_SET, name, size, ttl_ms);
}

int tg_policy_services(struct tg_policy *policy, const char *name, uint32_t size)
{
	return declare(policy, TG_TABLE_SERVICES, name, size, 0);
}

static int make_service(const struct tg_policy_table *table, const char *vip,
			const struct tg_backend_spec *backends, size_t count,
			struct tg_policy_service *service)
{
	uint32_t most = table->size ? table->size : TG_MAX_SERVICES;
	int error = tg_vip_parse(vip, &service->vip);

	if (error)
		return tg_fail(error, "services \"%s\": %s", table->name, tg_error());
	error = tg_backends_take(&service->backends, backends, count);
	if (!error)
		error = tg_vip_check(&service->vip, &service->backends);
	if (error)
		return tg_fail(error, "services \"%s\": \"%s\": %s", table->name, vip, tg_error());
	if (table->service_count >= most)
		return tg_fail(-ENOSPC,
			       "services \"%s\": have room for %u: declare them with a larger size",
			       table->name, most);
	return 0;
}

int tg_policy_service(struct tg_policy *policy, const char *name, const char *vip,
		      const struct tg_backend_spec *backends, size_t count)
{
	int number = tg_policy_find_table(policy, name);
	struct tg_policy_service service = {0};
	struct tg_policy_table *table;
	int error;

	if (number < 0 || policy->tables[number].kind != TG_TABLE_SERVICES)
		return tg_fail(-ENOENT, "services \"%s\": are not declared", name);
	table = &policy->tables[number];
	error = tg_array_reserve(table->services, table->service_capacity, table->service_count + 1,
				 "services");
	if (!error)
		error = make_service(table, vip, backends, count, &service);
	if (error)
		tg_backends_free(&service.backends);
	else
		table->services[table->service_count++] = service;
	return error;
}

static struct tg_policy_table *find_set(struct tg_policy *policy, const char *name)
{
	int number = tg_policy_find_table(policy, name);

	if (number >= 0 && policy->tables[number].kind == TG_TABLE_SET)
		return &policy->tables[number];
	tg_fail(-ENOENT, "set \"%s\": is not declared", name);
	return NULL;
}

/* Put the name of the set in front of an error; otherwise check that its elements fit. */
static int check_added(const struct tg_policy_table *table, int error)
{
	uint32_t size = table->size ? table->size : TG_MAX_SET_SIZE;

	if (error)
		return tg_fail(error, "set \"%s\": %s", table->name, tg_error());
	if (table->elements.count <= size)
		return 0;
	return tg_fail(-ENOSPC,
		       "set \"%s\": has room for %u elements: declare it with a larger size",
		       table->name, size);
}

int tg_policy_set_add(struct tg_policy *policy, const char *name, const char *item, uint64_t ttl_ms)
{
	struct tg_policy_table *table = find_set(policy, name);
	int error = table ? 0 : -ENOENT;

	if (!error)
		error = tg_elements_add(&table->elements, item,
					ttl_ms == TG_TTL_DEFAULT ? table->ttl_ms : ttl_ms);
	return table ? check_added(table, error) : error;
}

int tg_policy_set_load(struct tg_policy *policy, const char *name, const char *path)
{
	struct tg_policy_table *table = find_set(policy, name);
	int error = table ? 0 : -ENOENT;

	if (!error)
		error = tg_elements_load(&table->elements, path, table->ttl_ms);
	return table ? check_added(table, error) : error;
}
