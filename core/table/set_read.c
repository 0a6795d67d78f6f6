/* SPDX-License-Identifier: MIT */
/*
 * set_read.c - reading a set while others change it.
 *
 * An entry is read as programs read it: its state, its key, and its state again.
 */
#include "table/set_read.h"

#include <errno.h>

#include "base/error.h"
#include "bpf/engine/set_lookup.h"
#include "table/set.h"
#include "table/set_entry.h"

/* How often to look again at what others change at the same time. */
#define MOST_TRIES 1000
#define MOST_FINDS 64

/* Read an entry, again if it changes meanwhile.  Whether it is an element that readers see. */
static bool read_element(const struct tg_table *table, const struct tg_entry *entry,
			 struct tg_element *element)
{
	uint64_t state = TG_ENTRY_MEMBERS;
	bool whole = false;

	for (int tries = 0; state & TG_ENTRY_MEMBERS && !whole && tries < MOST_TRIES; tries++)
		whole = tg_entry_read(entry, &state, element);
	return whole && (state >> TG_ENTRY_MEMBER_SHIFT & tg_set_members(table)) &&
	       !tg_entry_expired(state);
}

int tg_set_table_next(const struct tg_table *table, uint64_t *at, struct tg_element *element)
{
	struct tg_entry entry = {0};

	for (bool more = tg_entry_at(table, &entry, *at); more;
	     more = tg_entry_next(table, &entry)) {
		struct tg_element read;

		if (!read_element(table, &entry, &read))
			continue;
		*element = read;
		*at = tg_entry_place(table, &entry) + 1;
		return 1;
	}
	return 0;
}

/* As programs do: the longest prefix that contains the address.  1, 0 or -EBADMSG. */
static int find_prefix(const struct tg_table *table, const struct tg_element *address,
		       struct tg_element *prefix)
{
	bool is4 = tg_element_is4(address);
	struct tg_set_probe probe = {
		.high = is4 ? 0 : address->high,
		.low = is4 ? (uint32_t)address->low : address->low,
		.table = &table->rows,
	};

	if (tg_set_begin(&probe, !is4)) {
		if (is4)
			TG_LOOP(TG_SET_STEPS, tg_set_step4, &probe);
		else
			TG_LOOP(TG_SET_STEPS, tg_set_step6, &probe);
	}
	if (probe.found < 0)
		return tg_fail(-EBADMSG, "its table is damaged: a process that may change it has "
					 "written over it; replace its elements to mend it");
	if (!probe.found)
		return 0;
	*prefix = is4 ? (struct tg_element){.low = TG_MAPPED_LO | tg_set_prefix4(&probe),
					    .length = probe.length + 96}
		      : (struct tg_element){.high = tg_set_high6(&probe),
					    .low = tg_set_low6(&probe),
					    .length = probe.length};
	return 1;
}

int tg_set_table_find(const struct tg_table *table, const struct tg_element *address,
		      struct tg_element *element)
{
	struct tg_element prefix, read;
	struct tg_entry entry;

	for (int tries = 0; tries < MOST_FINDS; tries++) {
		int result = find_prefix(table, address, &prefix);

		if (result <= 0)
			return result;
		if (!tg_entry_find(table, &prefix, &entry) || !read_element(table, &entry, &read))
			continue; /* it has just been removed, or has expired */
		if (read.high != prefix.high || read.low != prefix.low ||
		    read.length != prefix.length)
			continue;
		*element = read;
		return 1;
	}
	return 0;
}
