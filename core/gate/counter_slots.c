/* SPDX-License-Identifier: MIT */
/* counter_slots.c - which slot a rule's counters are in. */
#include "gate/counter_slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Slots by name, for one assignment.  Open addressing: a place holds slot + 1, or 0 if it is free.
 */
struct name_index {
	uint32_t *place;
	uint32_t mask;
};

static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3ull;
	return hash ^ hash >> 32;
}

static int index_names(const struct tg_slot_table *table, struct name_index *index)
{
	uint32_t size = 16;

	while (size < table->count * 2)
		size *= 2;
	index->mask = size - 1;
	index->place = calloc(size, sizeof(*index->place));
	if (!index->place)
		return tg_fail(-ENOMEM, "out of memory: no room for the rules' slots");
	for (uint32_t slot = TG_OP_COUNT; slot < table->count; slot++) {
		uint64_t at;

		if (!table->name[slot])
			continue;
		for (at = hash_name(table->name[slot]); index->place[at & index->mask]; at++)
			;
		index->place[at & index->mask] = slot + 1;
	}
	return 0;
}

/* The slot of `name` in the indexed table, or 0. */
static uint32_t find_name(const struct name_index *index, const struct tg_slot_table *table,
			  const char *name)
{
	for (uint64_t at = hash_name(name); index->place[at & index->mask]; at++) {
		uint32_t slot = index->place[at & index->mask] - 1;

		if (!strcmp(table->name[slot], name))
			return slot;
	}
	return 0;
}

static int take_slot(struct tg_slot_table *table, uint32_t rule, uint32_t slot, const char *name)
{
	table->name[slot] = strdup(name);
	table->of_rule[rule] = slot;
	return table->name[slot] ? 0
				 : tg_fail(-ENOMEM, "out of memory: no room for the rules' slots");
}

static const char *rule_name(const struct tg_image *image, uint32_t rule)
{
	struct tg_rule_info info = {.size = sizeof(info)};

	return tg_image_rule(image, rule, &info) ? "" : info.name;
}

/* Note until when the free slots were in use. */
static void fill_last(const struct tg_slot_table *old, uint64_t in_force,
		      struct tg_slot_table *table)
{
	for (uint32_t slot = TG_OP_COUNT; slot < old->count; slot++)
		table->last[slot] = old->name[slot] ? in_force : old->last[slot];
}

/* Rules whose names are known keep their slots; then the others get free ones. */
static int fill_table(const struct tg_slot_table *old, uint64_t ended,
		      const struct name_index *index, const struct tg_image *image,
		      struct tg_slot_table *table)
{
	uint32_t free_slot = TG_OP_COUNT;
	int error = 0;

	for (uint32_t rule = 0; rule < table->rules && !error; rule++) {
		const char *name = rule_name(image, rule);
		uint32_t slot = find_name(index, old, name);

		if (slot)
			error = take_slot(table, rule, slot, name);
	}
	for (uint32_t rule = 0; rule < table->rules && !error; rule++) {
		if (table->of_rule[rule])
			continue;
		/* Not one that a program may still be counting in, by an older image. */
		while (table->name[free_slot] || table->last[free_slot] > ended)
			free_slot++;
		error = take_slot(table, rule, free_slot, rule_name(image, rule));
	}
	return error;
}

static int make_table(uint32_t rules, uint32_t count, struct tg_slot_table *table)
{
	struct tg_slot_table made = {.rules = rules, .count = count};

	made.name = calloc(count, sizeof(*made.name));
	made.last = calloc(count, sizeof(*made.last));
	made.of_rule = calloc(rules + 1, sizeof(*made.of_rule));
	*table = made;
	return made.name && made.last && made.of_rule
		       ? 0
		       : tg_fail(-ENOMEM, "out of memory: no room for the rules' slots");
}

/* Shorten a table by the slots at its end that nothing counts in. */
static void drop_unused(struct tg_slot_table *table, uint64_t ended)
{
	while (table->count > TG_OP_COUNT && !table->name[table->count - 1] &&
	       table->last[table->count - 1] <= ended)
		table->count--;
}

int tg_slots_assign(const struct tg_slot_table *old, uint64_t in_force, uint64_t ended,
		    const struct tg_image *image, struct tg_slot_table *table)
{
	struct tg_image_info info = {.size = sizeof(info)};
	struct name_index index = {0};
	struct tg_slot_table made = {0};
	int error = tg_image_info(image, &info);

	if (error)
		return error;
	error = make_table(info.rules, TG_OP_COUNT + old->count + info.rules, &made);
	if (!error)
		error = index_names(old, &index);
	if (!error) {
		fill_last(old, in_force, &made);
		error = fill_table(old, ended, &index, image, &made);
	}
	free(index.place);
	if (error) {
		tg_slots_free(&made);
		return error;
	}
	drop_unused(&made, ended);
	*table = made;
	return 0;
}

int tg_slots_read(const void *rows, uint32_t most, struct tg_slot_table *table)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);
	const struct tg_rule_entry *rule = tg_image_row(rows, about->blob_row);
	struct tg_slot_table made;
	int error = make_table(about->rules, most, &made);

	for (uint32_t i = 0; i < made.rules && !error; i++) {
		if (rule[i].slot < TG_OP_COUNT || rule[i].slot >= most || made.name[rule[i].slot])
			error = tg_fail(-EFAULT,
					"the image in force is damaged: rule %u counts in "
					"slot %u",
					i, rule[i].slot);
		else
			error = take_slot(&made, i, rule[i].slot,
					  (const char *)rule + rule[i].name);
	}
	if (error) {
		tg_slots_free(&made);
		return error;
	}
	drop_unused(&made, 0);
	*table = made;
	return 0;
}

bool tg_slot_is_new(const struct tg_slot_table *old, const struct tg_slot_table *table,
		    uint32_t slot)
{
	return table->name[slot] && !(slot < old->count && old->name[slot]);
}

uint32_t tg_slots_needed(const struct tg_slot_table *table)
{
	return table->count > TG_OP_COUNT ? table->count : TG_OP_COUNT;
}

void tg_slots_free(struct tg_slot_table *table)
{
	for (uint32_t slot = 0; table->name && slot < table->count; slot++)
		free(table->name[slot]);
	free(table->name);
	free(table->last);
	free(table->of_rule);
	*table = (struct tg_slot_table){0};
}
