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

/* Rules whose names are known keep their slots; then the others get free ones. */
static int fill_table(const struct tg_slot_table *old, const struct name_index *index,
		      const struct tg_image *image, struct tg_slot_table *table)
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
		/* Not one that the old image counts in: it is in force until this one is. */
		while (table->name[free_slot] || (free_slot < old->count && old->name[free_slot]))
			free_slot++;
		error = take_slot(table, rule, free_slot, rule_name(image, rule));
	}
	return error;
}

int tg_slots_assign(const struct tg_slot_table *old, const struct tg_image *image,
		    struct tg_slot_table *table)
{
	struct tg_image_info info = {.size = sizeof(info)};
	struct name_index index = {0};
	struct tg_slot_table made = {0};
	int error = tg_image_info(image, &info);

	if (error)
		return error;
	made.rules = info.rules;
	made.count = TG_OP_COUNT + old->count + info.rules;
	made.name = calloc(made.count, sizeof(*made.name));
	made.of_rule = calloc(made.rules + 1, sizeof(*made.of_rule));
	if (!made.name || !made.of_rule)
		error = tg_fail(-ENOMEM, "out of memory: no room for the rules' slots");
	if (!error)
		error = index_names(old, &index);
	if (!error)
		error = fill_table(old, &index, image, &made);
	free(index.place);
	if (error) {
		tg_slots_free(&made);
		return error;
	}
	while (made.count > TG_OP_COUNT && !made.name[made.count - 1])
		made.count--;
	*table = made;
	return 0;
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
	free(table->of_rule);
	*table = (struct tg_slot_table){0};
}
