/* SPDX-License-Identifier: MIT */
/*
 * dump.c - an image that is being read back, rule by rule.
 *
 * A rule has terms in the section of each of its operations, and all of them say the same of who
 * calls and what is done.  So the first section that has some is enough for everything but paths.
 */
#include "dump/dump.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/field.h"
#include "dump/dump_items.h"
#include "image/image_backends.h"
#include "image/image_directory.h"

#define NO_PLACE TG_PLACES

int tg_dump_new(const struct tg_image *image, struct tg_dump **dump)
{
	int error = TG_REQUIRE(image) ?: TG_REQUIRE(dump);
	struct tg_dump *fresh = error ? NULL : calloc(1, sizeof(*fresh));

	if (error)
		return error;
	if (!fresh)
		return tg_fail(-ENOMEM, "out of memory: no room to read an image back");
	fresh->image = image;
	fresh->place = NO_PLACE;
	*dump = fresh;
	return 0;
}

void tg_dump_free(struct tg_dump *dump)
{
	if (!dump)
		return;
	for (int place = 0; place < TG_PLACES; place++)
		for (int key = 0; key < TG_KEYS; key++)
			tg_dump_sweep_free(&dump->sweep[place][key]);
	tg_dump_texts_free(&dump->items);
	tg_dump_texts_free(&dump->ports);
	free(dump);
}

int tg_dump_values(struct tg_dump *dump, int place, uint32_t term, enum tg_key key,
		   struct tg_intervals *set, bool *all)
{
	const struct tg_section *section = tg_image_section_at(dump->image->rows, place);
	struct tg_dump_sweep *sweep = &dump->sweep[place][key];
	int error;

	*all = !(section->keys >> key & 1);
	if (*all)
		return 0;
	if (!sweep->start) {
		error = tg_dump_sweep_read(dump->image, place, key, sweep);
		if (error)
			return error;
	}
	*set = tg_dump_sweep_term(sweep, term);
	*all = tg_intervals_is_all(set, tg_key_max(key));
	return 0;
}

/* --- Rules ----------------------------------------------------------------------------------- */

/* The first term of a section that is of a rule, or of one after it: they are in order. */
static uint32_t first_term(const struct tg_term *terms, uint32_t count, uint32_t rule)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (terms[middle].rule < rule)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void find_terms(struct tg_dump *dump, uint32_t rule)
{
	const void *rows = dump->image->rows;

	dump->rule = rule;
	dump->place = NO_PLACE;
	dump->sources = 0;
	for (int place = 0; place < TG_PLACES; place++) {
		const struct tg_section *section = tg_image_section_at(rows, place);
		struct tg_dump_terms *terms = &dump->terms[place];

		*terms = (struct tg_dump_terms){0, 0};
		if (!section)
			continue;
		terms->first = first_term(tg_image_terms(rows, section), section->terms, rule);
		terms->end = first_term(tg_image_terms(rows, section), section->terms, rule + 1);
		if (terms->first < terms->end && dump->place == NO_PLACE)
			dump->place = place;
	}
}

int tg_dump_rule(struct tg_dump *dump, uint32_t index, struct tg_rule *rule)
{
	struct tg_rule_info info = {.size = sizeof(info)};
	struct tg_rule own = {.size = sizeof(own)};
	const struct tg_section *section;
	int error = TG_REQUIRE(dump) ?: TG_REQUIRE(rule);

	if (!error)
		error = tg_image_rule(dump->image, index, &info);
	if (error)
		return error;
	find_terms(dump, index);
	own.verb = info.verb;
	own.ops = info.ops;
	own.name = info.name;
	own.where = info.where;
	own.text = info.text;
	own.message = *info.message ? info.message : NULL;
	if (dump->place != NO_PLACE) {
		section = tg_image_section_at(dump->image->rows, dump->place);
		error = tg_dump_effects_read(dump->image, dump->place,
					     tg_image_terms(dump->image->rows, section) +
						     dump->terms[dump->place].first,
					     &dump->effects, &own);
	}
	if (error)
		return error;
	*rule = own;
	return dump->place != NO_PLACE;
}

int tg_dump_condition(struct tg_dump *dump, uint32_t field, struct tg_dump_items *items)
{
	struct tg_intervals set;
	enum tg_key key;
	bool all = true;
	int error = TG_REQUIRE(dump) ?: TG_REQUIRE(items);

	if (error)
		return error;
	if (field >= TG_FIELD_COUNT || tg_field_is_endpoint((enum tg_field)field))
		return tg_fail(-EINVAL, "%u is not a field of one key", field);
	key = tg_field_key((enum tg_field)field);
	if (dump->place == NO_PLACE || (key == TG_KEY_PORT && dump->place < TG_OP_COUNT))
		return 0;
	error = tg_dump_values(dump, dump->place, dump->terms[dump->place].first, key, &set, &all);
	if (error || all)
		return error;
	tg_dump_texts_clear(&dump->items);
	error = tg_dump_items(key, &set, &dump->items);
	if (!error)
		error = tg_dump_texts_give(&dump->items, items);
	return error ? error : key == TG_KEY_EXE || key == TG_KEY_CGROUP ? 2 : 1;
}

/* --- Backends -------------------------------------------------------------------------------- */

static const struct tg_term_rest *rest_of(const struct tg_dump *dump)
{
	const void *rows = dump->image->rows;
	const struct tg_section *section;
	const struct tg_term *term;

	if (dump->place == NO_PLACE)
		return NULL;
	section = tg_image_section_at(rows, dump->place);
	term = tg_image_terms(rows, section) + dump->terms[dump->place].first;
	return term->rest_row ? tg_image_row(rows, term->rest_row) : NULL;
}

int tg_dump_backends(struct tg_dump *dump, struct tg_backend_info *backends, uint32_t capacity,
		     uint32_t *count)
{
	struct tg_backend_rows list = {0};
	const struct tg_term_rest *rest;
	int error = TG_REQUIRE(dump);

	if (error)
		return error;
	rest = rest_of(dump);
	if (!rest)
		return tg_image_rule_backends(dump->image, dump->rule, backends, capacity, count);
	if (!rest->services)
		list = tg_image_block_backends(dump->image->rows, rest->block);
	return tg_backend_rows_give(&list, backends, capacity, count);
}

int tg_dump_table_next(const struct tg_image *image, uint64_t *cursor, struct tg_dump_table *table)
{
	int error = TG_REQUIRE(image) ?: TG_REQUIRE(cursor) ?: TG_REQUIRE(table);
	const struct tg_image_about *about;
	const struct tg_table_entry *entry;

	if (error)
		return error;
	about = tg_image_row(image->rows, 1);
	if (*cursor >= about->tables)
		return 0;
	entry = tg_image_table(image->rows, (uint32_t)*cursor);
	if (entry->kind == TG_TABLE_BLOCKS)
		return 0;
	++*cursor;
	*table = (struct tg_dump_table){
		.name = tg_image_table_name(image->rows, entry),
		.is_services = entry->kind == TG_TABLE_SERVICES,
		.is_sized = entry->sized != 0,
	};
	return 1;
}
