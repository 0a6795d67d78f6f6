/* SPDX-License-Identifier: MIT */
/* gate_set.c - the sets of a running gate: the public functions. */
#include <errno.h>

#include "base/error.h"
#include "gate/gate.h"
#include "table/set.h"

static int check_alive(const struct tg_set *set)
{
	return set->live.table.fd >= 0
		       ? 0
		       : tg_fail(-ENOENT, "set \"%s\": the policy in force declares it no more",
				 set->live.name);
}

static int full(const struct tg_set *set)
{
	const struct tg_set_books *books = tg_set_books_of(&set->live.table);

	return tg_fail(
		-ENOSPC,
		"set \"%s\": is full: it has room for %u elements: remove some, or declare it "
		"with a larger size",
		set->live.name, books->size);
}

static int fail_with_name(const struct tg_set *set, int error)
{
	return tg_fail(error, "set \"%s\": %s", set->live.name, tg_error());
}

/* Parse items into elements, before anything is changed. */
static int parse(const struct tg_set *set, const char *const *items, size_t count, uint64_t ttl_ms,
		 struct tg_elements *elements)
{
	int error = check_alive(set);

	if (error)
		return error;
	if (ttl_ms == TG_TTL_DEFAULT)
		ttl_ms = tg_set_books_of(&set->live.table)->ttl_ms;
	for (size_t i = 0; i < count && !error; i++)
		error = tg_elements_add(elements, items[i], ttl_ms);
	return error ? fail_with_name(set, error) : 0;
}

/* Elements that are added under one lock: other writers get their turn in between. */
#define BATCH 4096

static int add_elements(struct tg_set *set, const struct tg_elements *elements)
{
	int error = 0;

	for (size_t i = 0; i < elements->count && !error;) {
		size_t end = i + BATCH < elements->count ? i + BATCH : elements->count;

		error = tg_set_change(&set->live.table);
		if (error)
			return fail_with_name(set, error);
		for (; i < end && !error; i++)
			error = tg_set_table_add(&set->live.table, &elements->at[i]);
		tg_set_change_end(&set->live.table);
	}
	return error ? full(set) : 0;
}

int tg_set_add(struct tg_set *set, const char *const *items, size_t count, uint64_t ttl_ms)
{
	struct tg_elements elements = {0};
	int error = parse(set, items, count, ttl_ms, &elements);

	if (!error)
		error = add_elements(set, &elements);
	tg_elements_free(&elements);
	return error;
}

static int load(const struct tg_set *set, const char *path, struct tg_elements *elements)
{
	int error = check_alive(set);

	if (error)
		return error;
	error = tg_elements_load(elements, path, tg_set_books_of(&set->live.table)->ttl_ms);
	return error ? fail_with_name(set, error) : 0;
}

int tg_set_load(struct tg_set *set, const char *path)
{
	struct tg_elements elements = {0};
	int error = load(set, path, &elements);

	if (!error)
		error = add_elements(set, &elements);
	tg_elements_free(&elements);
	return error;
}

int tg_set_remove(struct tg_set *set, const char *item)
{
	struct tg_elements elements = {0};
	int error = parse(set, &item, 1, 0, &elements), removed = 0;

	if (!error)
		error = tg_set_change(&set->live.table);
	if (!error) {
		for (size_t i = 0; i < elements.count; i++)
			removed |= tg_set_table_remove(&set->live.table, &elements.at[i]);
		tg_set_change_end(&set->live.table);
	}
	tg_elements_free(&elements);
	return error ? error : removed;
}

/* Replace all elements of the set by these. */
static int replace(struct tg_set *set, const struct tg_elements *elements)
{
	int error = tg_set_change(&set->live.table);

	if (error)
		return fail_with_name(set, error);
	error = tg_set_table_replace(&set->live.table, elements->at, elements->count);
	tg_set_change_end(&set->live.table);
	return error ? full(set) : 0;
}

int tg_set_replace(struct tg_set *set, const char *const *items, size_t count, uint64_t ttl_ms)
{
	struct tg_elements elements = {0};
	int error = parse(set, items, count, ttl_ms, &elements);

	if (!error)
		error = replace(set, &elements);
	tg_elements_free(&elements);
	return error;
}

int tg_set_replace_load(struct tg_set *set, const char *path)
{
	struct tg_elements elements = {0};
	int error = load(set, path, &elements);

	if (!error)
		error = replace(set, &elements);
	tg_elements_free(&elements);
	return error;
}

int tg_set_contains(const struct tg_set *set, const char *address)
{
	struct tg_elements elements = {0};
	int error = parse(set, &address, 1, 0, &elements), has = 0;

	if (!error && (elements.count != 1 || elements.at[0].length != 128))
		error = tg_fail(-EINVAL, "set \"%s\": \"%s\": wants one address", set->live.name,
				address);
	if (!error)
		has = tg_set_table_has(&set->live.table, &elements.at[0]);
	tg_elements_free(&elements);
	return error ? error : has;
}

int tg_set_info(const struct tg_set *set, struct tg_set_info *info)
{
	const struct tg_set_books *books;
	int error = check_alive(set);

	if (!error)
		error = tg_set_change(&set->live.table);
	if (error)
		return error;
	tg_set_table_sweep(&set->live.table);
	books = tg_set_books_of(&set->live.table);
	*info = (struct tg_set_info){
		.size = sizeof(*info),
		.name = set->live.name,
		.room = books->size,
		.count = books->count,
		.ttl_ms = books->ttl_ms,
		.bytes = (uint64_t)set->live.table.rows.count * TG_ROW_BYTES,
	};
	tg_set_change_end(&set->live.table);
	return 0;
}

int tg_set_next(const struct tg_set *set, uint64_t *cursor, struct tg_set_element *element)
{
	struct tg_element found;
	int error = check_alive(set);

	if (error)
		return error;
	if (!tg_set_table_next(&set->live.table, cursor, &found))
		return 0;
	tg_element_show(&found, element);
	return 1;
}

int tg_gate_set(const struct tg_gate *gate, const char *name, struct tg_set **set)
{
	struct tg_live *found = tg_gate_live(gate, name, TG_TABLE_SET);

	if (!found)
		return tg_fail(-ENOENT, "set \"%s\": " TG_NO_TABLE, name);
	*set = (struct tg_set *)found;
	return 0;
}
