/* SPDX-License-Identifier: MIT */
/* gate_set.c - the sets of a running gate: the public functions. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "gate/gate.h"
#include "parse/local_elements.h"
#include "table/set.h"
#include "table/set_read.h"

int tg_gate_find_set(const struct tg_gate *gate, const char *name, struct tg_set **set)
{
	struct tg_live *live;
	int error = TG_REQUIRE(gate) ?: TG_REQUIRE(name) ?: TG_REQUIRE(set);

	if (!error)
		error = tg_gate_find_live(gate, name, TG_TABLE_SET, &live);
	if (!error)
		*set = (struct tg_set *)live;
	return error;
}

static int fail_with_name(const struct tg_set *set, int error)
{
	return tg_fail(error, "set \"%s\": %s", set->live.name, tg_error());
}

/* Say that `count` elements do not fit, where there is room for `room` of them. */
static int fail_full(const struct tg_set *set, size_t count, uint32_t room)
{
	const char *name = set->live.name;
	uint32_t size = set->live.table.parts.size;

	if (!room)
		return tg_fail(-ENOSPC,
			       "set \"%s\": is full: it has room for %u elements: remove some, or "
			       "declare it with a larger size",
			       name, size);
	return tg_fail(
		-ENOSPC,
		"set \"%s\": %zu elements do not fit: it has room for %u more, and %u in all: "
		"none was added: remove some, or declare it with a larger size",
		name, count, room, size);
}

/* The same, where they replace all others. */
static int fail_larger(const struct tg_set *set, size_t count)
{
	return tg_fail(-ENOSPC,
		       "set \"%s\": %zu elements do not fit: it has room for %u: nothing was "
		       "replaced: declare it with a larger size",
		       set->live.name, count, set->live.table.parts.size);
}

/* --- Changes ---------------------------------------------------------------------------- */

/* Elements to add, or to put in the place of all others. */
struct change {
	struct tg_set *set;
	struct tg_elements elements;
	bool replaces;
};

/* How many more elements a set has room for. */
static uint32_t room_of(const struct tg_table *table)
{
	uint32_t size = table->parts.size, count;

	tg_set_table_sweep(table);
	count = tg_set_books_of(table)->count;
	return count < size ? size - count : 0;
}

static int make_change(const struct change *change)
{
	const struct tg_table *table = &change->set->live.table;
	const struct tg_elements *elements = &change->elements;
	int error = tg_set_change(table);
	uint32_t room = 0;

	if (error)
		return fail_with_name(change->set, error);
	error = change->replaces ? tg_set_table_replace(table, elements->at, elements->count)
				 : tg_set_table_add(table, elements->at, elements->count);
	if (error) {
		room = room_of(table);
		tg_set_books_of(table)->refused += elements->count;
	}
	tg_set_change_end(table);
	if (!error)
		return 0;
	return change->replaces ? fail_larger(change->set, elements->count)
				: fail_full(change->set, elements->count, room);
}

int tg_set_replace_elements(struct tg_set *set, const struct tg_elements *elements)
{
	const struct change change = {.set = set, .elements = *elements, .replaces = true};
	int error = tg_live_enter_change(&set->live);

	if (!error) {
		error = make_change(&change);
		tg_live_leave(&set->live);
	}
	return error;
}

/* The library itself changes the set behind "@local". */
static int check_changeable(const struct tg_set *set)
{
	if (strcmp(set->live.name, TG_LOCAL_SET) != 0)
		return 0;
	return tg_fail(
		-EPERM,
		"set \"%s\": has the addresses of this host, as they come and go: it cannot be "
		"changed",
		set->live.name);
}

/* The time to live of elements that have none of their own. */
static int read_ttl(const struct tg_set *set, uint64_t *ttl_ms)
{
	int error = tg_live_enter(&set->live);

	if (error)
		return error;
	*ttl_ms = set->live.table.parts.set.ttl_ms;
	tg_live_leave(&set->live);
	return 0;
}

/* Make a change, if its elements were read without `error`. */
static int finish(struct change *change, int error)
{
	if (error)
		error = fail_with_name(change->set, error);
	else
		error = tg_live_enter_change(&change->set->live);
	if (!error) {
		error = make_change(change);
		tg_live_leave(&change->set->live);
	}
	tg_elements_free(&change->elements);
	return error;
}

static int change_by_entries(struct tg_set *set, const struct tg_set_entry *entries, size_t count,
			     bool replaces)
{
	struct change change = {.set = set, .replaces = replaces};
	uint64_t set_ttl_ms;
	int error = check_changeable(set) ?: read_ttl(set, &set_ttl_ms);

	if (error)
		return error;
	return finish(&change, tg_elements_take(&change.elements, entries, count, set_ttl_ms));
}

int tg_set_add(struct tg_set *set, const struct tg_set_entry *entries, size_t count)
{
	return TG_REQUIRE(set) ?: change_by_entries(set, entries, count, false);
}

int tg_set_replace(struct tg_set *set, const struct tg_set_entry *entries, size_t count)
{
	return TG_REQUIRE(set) ?: change_by_entries(set, entries, count, true);
}

int tg_set_load(struct tg_set *set, const char *path, uint64_t ttl_ms, uint32_t flags)
{
	struct change change = {.set = set, .replaces = flags & TG_SET_REPLACE};
	uint64_t set_ttl_ms;
	int error = TG_REQUIRE(set) ?: TG_REQUIRE(path) ?: check_changeable(set);

	if (!error && tg_check_bits("load: flags", flags, TG_SET_REPLACE))
		error = tg_fail(-EINVAL, "set \"%s\": %s", set->live.name, tg_error());
	if (!error)
		error = read_ttl(set, &set_ttl_ms);
	if (error)
		return error;
	return finish(&change, tg_elements_load(&change.elements, path, ttl_ms, set_ttl_ms));
}

/* Read items, with what they mean to a live set. */
static int read_items(const struct tg_set *set, const char *const *items, size_t count,
		      struct tg_elements *elements)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++)
		error = items[i] ? tg_elements_add(elements, items[i], 0, 0)
				 : tg_fail(-EINVAL, "item %zu is NULL", i);
	return error ? fail_with_name(set, error) : 0;
}

static int remove_elements(const struct tg_set *set, const struct tg_elements *elements,
			   uint32_t *removed)
{
	const struct tg_table *table = &set->live.table;
	uint32_t count = 0;
	int error = tg_set_change(table);

	if (error)
		return fail_with_name(set, error);
	for (size_t i = 0; i < elements->count; i++)
		count += (uint32_t)tg_set_table_remove(table, &elements->at[i]);
	tg_set_change_end(table);
	if (removed)
		*removed = count;
	return 0;
}

int tg_set_remove(struct tg_set *set, const char *const *items, size_t count, uint32_t *removed)
{
	struct tg_elements elements = {0};
	int error = TG_REQUIRE(set) ?: check_changeable(set);

	if (!error && count)
		error = TG_REQUIRE(items);
	if (!error)
		error = read_items(set, items, count, &elements);
	if (!error)
		error = tg_live_enter_change(&set->live);
	if (!error) {
		error = remove_elements(set, &elements, removed);
		tg_live_leave(&set->live);
	}
	tg_elements_free(&elements);
	return error;
}

/* --- Reading ---------------------------------------------------------------------------- */

int tg_set_find(const struct tg_set *set, const char *address, struct tg_set_element *element)
{
	struct tg_elements elements = {0};
	struct tg_element found;
	int result = TG_REQUIRE(set) ?: TG_REQUIRE(address) ?: tg_element_check(element);

	if (!result)
		result = read_items(set, &address, 1, &elements);
	if (!result && (elements.count != 1 || elements.at[0].length != 128))
		result = tg_fail(-EINVAL, "set \"%s\": \"%s\": wants one address", set->live.name,
				 address);
	if (!result)
		result = tg_live_enter(&set->live);
	if (!result) {
		result = tg_set_table_find(&set->live.table, &elements.at[0], &found);
		tg_live_leave(&set->live);
		if (result < 0)
			result = fail_with_name(set, result);
	}
	if (result == 1)
		tg_element_show(&found, element);
	tg_elements_free(&elements);
	return result;
}

/* How many elements have not expired: one by one, where no sweep can remove the others. */
static int count_elements(const struct tg_set *set, uint32_t *count)
{
	const struct tg_table *table = &set->live.table;
	struct tg_element element;
	uint64_t at = 0;
	int error;

	*count = 0;
	if (tg_live_is_readonly(&set->live)) {
		while (tg_set_table_next(table, &at, &element))
			++*count;
		return 0;
	}
	error = tg_set_change(table);
	if (error)
		return fail_with_name(set, error);
	tg_set_table_sweep(table);
	*count = tg_set_books_of(table)->count;
	tg_set_change_end(table);
	return 0;
}

static int read_info(const struct tg_set *set, struct tg_set_info *info)
{
	const struct tg_table *table = &set->live.table;
	uint32_t count;
	int error = count_elements(set, &count);

	if (error)
		return error;
	*info = (struct tg_set_info){
		.name = set->live.name,
		.capacity = table->parts.size,
		.count = count,
		.ttl_ms = tg_ttl_shown(table->parts.set.ttl_ms),
		.bytes = (uint64_t)table->rows.count * TG_ROW_BYTES,
		.flags = set->live.readonly ? TG_TABLE_READONLY : 0,
		.refused = tg_set_books_of(table)->refused,
	};
	return 0;
}

int tg_set_info(const struct tg_set *set, struct tg_set_info *info)
{
	struct tg_set_info own;
	int error = TG_REQUIRE(set) ?: info ? tg_struct_check(TG_SET_INFO_KIND, info) : 0;

	if (!error)
		error = tg_live_enter(&set->live);
	if (error)
		return error;
	error = read_info(set, &own);
	tg_live_leave(&set->live);
	if (!error && info)
		tg_struct_give(TG_SET_INFO_KIND, info, &own);
	return error;
}

int tg_set_next(const struct tg_set *set, uint64_t *cursor, struct tg_set_element *element)
{
	struct tg_element found;
	int result = TG_REQUIRE(set) ?: TG_REQUIRE(cursor) ?: tg_element_check(element);

	if (!result)
		result = tg_live_enter(&set->live);
	if (result)
		return result;
	result = tg_set_table_next(&set->live.table, cursor, &found);
	tg_live_leave(&set->live);
	if (result == 1)
		tg_element_show(&found, element);
	return result;
}
