/* SPDX-License-Identifier: MIT */
/* first_contents.c - what the live tables that a policy declares contain at first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/nearest.h"
#include "bpf/engine/hash.h"
#include "bpf/layout/table_layout.h"
#include "policy/policy.h"
#include "tidegate.h"

/* The declared table of this name; NULL: there is none, -ENOENT. */
static struct tg_policy_table *find(struct tg_policy *policy, enum tg_table_kind kind,
				    const char *name)
{
	bool services = kind == TG_TABLE_SERVICES;
	struct tg_nearest nearest;
	int number = tg_policy_find_table(policy, name);

	if (number >= 0 && policy->tables[number].kind == kind)
		return &policy->tables[number];
	if (number >= 0) {
		tg_fail(-ENOENT,
			services ? "services \"%s\": this is a set"
				 : "set \"%s\": this is a table of services",
			name);
		return NULL;
	}
	tg_nearest_start(&nearest, name);
	for (uint32_t i = 0; i < policy->table_count; i++)
		if (policy->tables[i].kind == kind)
			tg_nearest_try(&nearest, policy->tables[i].name);
	tg_fail(-ENOENT, "%s \"%s\": %s not declared%s", services ? "services" : "set", name,
		services ? "are" : "is", tg_nearest_hint(&nearest, ""));
	return NULL;
}

/* --- Sets ------------------------------------------------------------------------------- */

/* New elements of a set: those of an array, or, if `path` is not NULL, of a file. */
struct addition {
	const struct tg_set_entry *entries;
	size_t count;
	const char *path;
	uint64_t ttl_ms;
};

/* All of them are added, or none. */
static int add_elements(struct tg_policy *policy, const char *name, const struct addition *added)
{
	struct tg_policy_table *table = find(policy, TG_TABLE_SET, name);
	uint32_t size;
	size_t before;
	int error;

	if (!table)
		return -ENOENT;
	before = table->elements.count;
	size = table->size ? table->size : TG_MAX_SET_SIZE;
	error = added->path ? tg_elements_load(&table->elements, added->path, added->ttl_ms,
					       table->ttl_ms)
			    : tg_elements_take(&table->elements, added->entries, added->count,
					       table->ttl_ms);
	if (error)
		tg_fail(error, "set \"%s\": %s", table->name, tg_error());
	else if (table->elements.count > size)
		error = tg_fail(-ENOSPC,
				"set \"%s\": %zu elements do not fit: it has room for %u: declare "
				"it with a larger size",
				table->name, table->elements.count, size);
	if (error)
		table->elements.count = before;
	return error;
}

int tg_policy_set_add(struct tg_policy *policy, const char *name,
		      const struct tg_set_entry *entries, size_t count)
{
	const struct addition added = {.entries = entries, .count = count};
	int error = TG_REQUIRE(policy) ?: TG_REQUIRE(name);

	return error ? error : add_elements(policy, name, &added);
}

int tg_policy_set_load(struct tg_policy *policy, const char *name, const char *path,
		       uint64_t ttl_ms)
{
	const struct addition added = {.path = path, .ttl_ms = ttl_ms};
	int error = TG_REQUIRE(policy) ?: TG_REQUIRE(name) ?: TG_REQUIRE(path);

	return error ? error : add_elements(policy, name, &added);
}

/* --- Services --------------------------------------------------------------------------- */

/* The bucket of a VIP: it holds the number of the service, plus 1; 0: there is none. */
static uint32_t *bucket_of(const struct tg_policy_table *table, const struct tg_vip_key *vip)
{
	size_t mask = table->bucket_count - 1;
	size_t at = tg_mix128(vip->what, vip->high, vip->low) & mask;

	while (table->buckets[at] &&
	       memcmp(&table->services[table->buckets[at] - 1].vip, vip, sizeof(*vip)) != 0)
		at = (at + 1) & mask;
	return &table->buckets[at];
}

/* Make room for one more service, with at least half of the buckets free. */
static int grow(struct tg_policy_table *table)
{
	uint32_t *buckets;
	int error;

	if (table->service_count < table->service_capacity)
		return 0;
	error = tg_array_reserve(table->services, table->service_capacity, table->service_count + 1,
				 "services");
	if (error)
		return error;
	for (table->bucket_count = 2; table->bucket_count < 2 * table->service_capacity;)
		table->bucket_count *= 2;
	buckets = calloc(table->bucket_count, sizeof(*buckets));
	free(table->buckets);
	table->buckets = buckets;
	if (!buckets) {
		table->service_capacity = table->service_count;
		return tg_fail(-ENOMEM, "out of memory: no room for %u services",
			       table->service_count + 1);
	}
	for (uint32_t i = 0; i < table->service_count; i++)
		*bucket_of(table, &table->services[i].vip) = i + 1;
	return 0;
}

static int read_service(const struct tg_policy_table *table, const char *vip,
			const struct tg_backend_spec *backends, size_t count,
			struct tg_policy_service *service)
{
	int error = tg_vip_parse(vip, &service->vip);

	if (error)
		return tg_fail(error, "services \"%s\": %s", table->name, tg_error());
	error = tg_backends_take(&service->backends, backends, count);
	if (!error)
		error = tg_vip_check(&service->vip, &service->backends);
	return error ? tg_fail(error, "services \"%s\": \"%s\": %s", table->name, vip, tg_error())
		     : 0;
}

/* Add a service, or put it in the place of the one that has its VIP. */
static int put(struct tg_policy_table *table, const struct tg_policy_service *service)
{
	uint32_t most = table->size ? table->size : TG_MAX_SERVICES;
	int error = grow(table);
	uint32_t *bucket;

	if (error)
		return error;
	bucket = bucket_of(table, &service->vip);
	if (*bucket) {
		tg_backends_free(&table->services[*bucket - 1].backends);
		table->services[*bucket - 1] = *service;
		return 0;
	}
	if (table->service_count >= most)
		return tg_fail(-ENOSPC,
			       "services \"%s\": have room for %u: declare them with a larger size",
			       table->name, most);
	table->services[table->service_count++] = *service;
	*bucket = table->service_count;
	return 0;
}

int tg_policy_services_put(struct tg_policy *policy, const char *name, const char *vip,
			   const struct tg_backend_spec *backends, size_t count)
{
	struct tg_policy_service service = {0};
	struct tg_policy_table *table;
	int error = TG_REQUIRE(policy) ?: TG_REQUIRE(name) ?: TG_REQUIRE(vip);

	if (error)
		return error;
	table = find(policy, TG_TABLE_SERVICES, name);
	if (!table)
		return -ENOENT;
	error = read_service(table, vip, backends, count, &service) ?: put(table, &service);
	if (error)
		tg_backends_free(&service.backends);
	return error;
}
