/* SPDX-License-Identifier: MIT */
/* stamp.c - what a gate writes into its copy of an image. */
#include "gate/stamp.h"

#include "image/image_backends.h"

static void stamp_directory(const struct tg_slot_table *slots, void *rows)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);
	struct tg_rule_entry *rule = (void *)tg_image_row(rows, about->blob_row);

	for (uint32_t i = 0; i < slots->rules; i++)
		rule[i].slot = slots->of_rule[i];
}

static void stamp_slots(const struct tg_slot_table *slots, void *rows,
			const struct tg_section *section)
{
	struct tg_term *terms = (void *)tg_image_terms(rows, section);

	for (uint32_t i = 0; i < section->terms; i++)
		terms[i].slot = slots->of_rule[terms[i].rule];
}

static void stamp_sets(const uint32_t *tables, struct tg_section *section)
{
	for (uint32_t i = 0; i < section->sets; i++)
		section->set[i] = (uint16_t)(tables[TG_SET_TABLE(section->set[i])] |
					     (section->set[i] & ~TG_SET_TABLE(~0u)));
}

/* Neighbouring terms may share a rest, which must be stamped only once. */
static void stamp_rests(const uint32_t *tables, void *rows, const struct tg_section *section)
{
	const struct tg_table_entry *blocks = tg_image_blocks(rows);
	const struct tg_term *terms = tg_image_terms(rows, section);
	uint32_t before = 0;

	for (uint32_t i = 0; i < section->terms; i++) {
		struct tg_term_rest *rest = (void *)tg_image_row(rows, terms[i].rest_row);

		if (terms[i].verb == TG_VERB_BALANCE && terms[i].rest_row != before) {
			if (rest->services)
				rest->services = tables[rest->services - 1] + 1;
			else if (blocks)
				rest->block += blocks->data_row;
		}
		before = terms[i].rest_row;
	}
}

static void stamp_blocks(const struct tg_slot_table *slots, void *rows)
{
	struct tg_table_rows blocks = tg_image_block_rows(rows);
	struct tg_block *block = NULL;

	while (blocks.count && (block = (struct tg_block *)tg_block_next(&blocks, block)))
		block->slot = slots->of_rule[block->rule];
}

void tg_stamp(void *rows, const struct tg_slot_table *slots, const uint32_t *tables)
{
	const struct tg_section *section;

	stamp_directory(slots, rows);
	stamp_blocks(slots, rows);
	for (int place = 0; (section = tg_image_section_next(rows, &place)); place++) {
		stamp_slots(slots, rows, section);
		stamp_sets(tables, (struct tg_section *)section);
		stamp_rests(tables, rows, section);
	}
}
