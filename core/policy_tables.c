/* SPDX-License-Identifier: MIT */
/* policy_tables.c - the live tables that a policy declares. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/table.h"
#include "policy.h"
#include "error.h"
#include "tidegate.h"

#define DEFAULT_SET_SIZE 65536u

int tg_policy_find_table(const struct tg_policy *policy, const char *name)
{
	for (uint32_t i = 0; i < policy->table_count; i++)
		if (!strcmp(policy->tables[i].name, name))
			return (int)i;
	return -1;
}

uint32_t tg_policy_table_size(const struct tg_policy_table *table)
{
	size_t size = 2 * table->elements.count;

	if (table->size)
		return table->size;
	if (size < DEFAULT_SET_SIZE)
		return DEFAULT_SET_SIZE;
	return size < TG_MAX_SET_SIZE ? (uint32_t)size : TG_MAX_SET_SIZE;
}

void tg_policy_tables_free(struct tg_policy *policy)
{
	for (uint32_t i = 0; i < policy->table_count; i++) {
		free(policy->tables[i].name);
		tg_elements_free(&policy->tables[i].elements);
	}
	free(policy->tables);
}

static int check_declaration(const struct tg_policy *policy, const char *name, uint32_t size)
{
	if (!name || !*name)
		return tg_fail(-EINVAL, "a set needs a name");
	if (tg_policy_find_table(policy, name) >= 0)
		return tg_fail(-EEXIST, "set \"%s\": is declared already", name);
	if (size > TG_MAX_SET_SIZE)
		return tg_fail(-E2BIG, "set \"%s\": size: %u is over the limit of %u", name, size,
			       TG_MAX_SET_SIZE);
	if (policy->table_count == TG_MAX_TABLES)
		return tg_fail(-E2BIG, "set \"%s\": a policy has at most %u sets", name,
			       TG_MAX_TABLES);
	return 0;
}

int tg_policy_set(struct tg_policy *policy, const char *name, uint32_t size, uint64_t ttl_ms)
{
	struct tg_policy_table *tables;
	int error = check_declaration(policy, name, size);

	if (error)
		return error;
	tables = realloc(policy->tables, (policy->table_count + 1) * sizeof(*tables));
	if (tables)
		policy->tables = tables;
	if (tables)
		tables[policy->table_count] = (struct tg_policy_table){
			.name = strdup(name), .kind = TG_TABLE_SET, .size = size, .ttl_ms = ttl_ms};
	if (!tables || !tables[policy->table_count].name)
		return tg_fail(-ENOMEM, "out of memory: no room for a set");
	policy->table_count++;
	return 0;
}

static struct tg_policy_table *find_set(struct tg_policy *policy, const char *name)
{
	int number = tg_policy_find_table(policy, name);

	if (number < 0)
		tg_fail(-ENOENT, "set \"%s\": is not declared", name);
	return number < 0 ? NULL : &policy->tables[number];
}

/* What is added has to be what a set holds, and has to have room. */
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
