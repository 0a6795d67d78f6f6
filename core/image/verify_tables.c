/* SPDX-License-Identifier: MIT */
/* verify_tables.c - the tables of an image: their directory, their contents, their uses. */
#include "image/verify_tables.h"

#include <errno.h>

#include "base/error.h"
#include "bpf/layout/service_layout.h"
#include "tidegate.h"

/* Whether it is a prefix: the bits after its length are zero. */
static bool element_is_good(const struct tg_element *element)
{
	uint32_t length = element->length;
	uint64_t high = length >= 64 ? 0 : ~0ull >> length;
	uint64_t low = length >= 128 ? 0 : length > 64 ? ~0ull >> (length - 64) : ~0ull;

	return length <= 128 && !(element->high & high) && !(element->low & low);
}

static int check_elements(struct tg_verify *check, const struct tg_table_entry *entry)
{
	const uint32_t row_elements = TG_ROW_BYTES / sizeof(struct tg_element);
	struct tg_element elements[TG_ROW_BYTES / sizeof(struct tg_element)];
	uint64_t rows = ((uint64_t)entry->count + row_elements - 1) / row_elements;
	int error = tg_verify_take(check, entry->data_row, rows, "elements of a set");

	for (uint32_t i = 0; !error && i < entry->count; i++) {
		if (i % row_elements == 0)
			tg_verify_read(check, entry->data_row + i / row_elements, elements);
		if (!element_is_good(&elements[i % row_elements]))
			error = tg_fail(-EINVAL,
					"damaged image: element %u of the set at row %u is not "
					"a prefix",
					i, entry->data_row);
	}
	return error;
}

static int fail_blocks(void)
{
	return tg_fail(-EINVAL, "damaged image: blocks of backends that no policy can have");
}

/* A block at `row`, whose rows exist: its choices and its alias table only name its backends. */
static int check_choices(const struct tg_verify *check, uint32_t row, const struct tg_block *block)
{
	uint32_t backends = TG_EXTENT_BACKENDS(block->extent);
	uint32_t first = tg_block_at(row, block->extent).backend_row;
	struct tg_backend pair[TG_BLOCK_BACKENDS];
	struct tg_choices last;

	tg_verify_read(check, first - 1, &last);
	for (uint32_t i = backends; i % TG_BLOCK_CHOICES; i++)
		if (last.choice[i % TG_BLOCK_CHOICES])
			return fail_blocks();
	for (uint32_t i = 0; i < backends; i++) {
		if (i % TG_BLOCK_BACKENDS == 0)
			tg_verify_read(check, first + i / TG_BLOCK_BACKENDS, pair);
		if (pair[i % TG_BLOCK_BACKENDS].alias >= backends)
			return fail_blocks();
	}
	return 0;
}

static int check_block(const struct tg_verify *check, const struct tg_block *block)
{
	uint32_t backends = TG_EXTENT_BACKENDS(block->extent);

	if (!backends || backends > TG_MAX_BACKENDS || block->rule >= check->rules)
		return fail_blocks();
	return 0;
}

static uint32_t rows_of(const struct tg_block *block)
{
	return tg_block_rows(TG_EXTENT_BACKENDS(block->extent));
}

/* Each service is a VIP, followed by a block, which may be empty. */
static int check_services(struct tg_verify *check, const struct tg_table_entry *entry)
{
	int error = tg_verify_take(check, entry->data_row, entry->rows, "services");
	uint32_t row = 0, count = 0;

	for (; !error && row < entry->rows; count++) {
		struct tg_block block;

		if (row + 1 >= entry->rows)
			return fail_blocks();
		tg_verify_read(check, entry->data_row + row + 1, &block);
		if (TG_EXTENT_BACKENDS(block.extent) > TG_MAX_BACKENDS ||
		    1 + rows_of(&block) > entry->rows - row)
			return fail_blocks();
		row += 1 + rows_of(&block);
	}
	if (!error && count != entry->count)
		error = fail_blocks();
	return error;
}

/* Side by side, the blocks fill the rows of their table. */
static int check_blocks(struct tg_verify *check, const struct tg_table_entry *entry)
{
	uint32_t row = 0;
	int error = tg_verify_take(check, entry->data_row, entry->count, "blocks of backends");

	while (!error && row < entry->count) {
		struct tg_block block;

		tg_verify_read(check, entry->data_row + row, &block);
		error = check_block(check, &block);
		if (!error && rows_of(&block) > entry->count - row)
			error = fail_blocks();
		if (!error)
			error = check_choices(check, entry->data_row + row, &block);
		row += rows_of(&block);
	}
	return error;
}

/* Whether table `number` exists and is one of services. */
static bool are_services(const struct tg_verify *check, const struct tg_image_about *about,
			 uint32_t number)
{
	struct tg_table_entry entry;

	if (number >= about->tables)
		return false;
	tg_verify_read(check, about->table_row + number, &entry);
	return entry.kind == TG_TABLE_SERVICES;
}

/* The terms of a section are in the order of their rules, and so are the blocks. */
static int check_uses(const struct tg_verify *check, const struct tg_image_about *about,
		      const struct tg_section *section, const struct tg_table_entry *entry)
{
	struct tg_block block = {0};
	uint32_t row = 0;

	for (uint32_t i = 0; i < section->terms; i++) {
		struct tg_term_rest rest;
		struct tg_term term;

		tg_verify_read(check, section->term_row + i, &term);
		if (term.verb != TG_VERB_BALANCE)
			continue;
		tg_verify_read(check, term.rest_row, &rest);
		if (rest.services) {
			if (!are_services(check, about, rest.services - 1))
				return fail_blocks();
			continue;
		}
		for (; row < rest.block && row < entry->count; row += rows_of(&block))
			tg_verify_read(check, entry->data_row + row, &block);
		if (row != rest.block || row >= entry->count)
			return fail_blocks();
		tg_verify_read(check, entry->data_row + row, &block);
		if (block.rule != term.rule || block.extent != rest.extent)
			return fail_blocks();
	}
	return 0;
}

/* A section's sets are sets, and its balance terms have backends. */
static int check_sections(const struct tg_verify *check, const struct tg_image_about *about,
			  const struct tg_table_entry *blocks)
{
	uint32_t sets = about->tables - (blocks->kind == TG_TABLE_BLOCKS);
	int error = 0;

	for (uint32_t i = 0; i < check->seen_count && !error; i++) {
		const struct tg_section *section = &check->seen[i];

		for (uint32_t k = 0; k < section->sets; k++) {
			uint32_t number = TG_SET_TABLE(section->set[k]);

			if (number >= sets || are_services(check, about, number) !=
						      !!(section->set[k] & TG_SET_IS_SERVICES))
				return fail_blocks();
		}
		error = check_uses(check, about, section, blocks);
	}
	return error;
}

static int fail_entry(uint32_t index)
{
	return tg_fail(-EINVAL, "damaged image: table %u is not one that a policy can have", index);
}

static int check_entry(struct tg_verify *check, const struct tg_image_about *about, uint32_t index,
		       struct tg_table_entry *entry)
{
	bool last = index + 1 == about->tables;

	tg_verify_read(check, about->table_row + index, entry);
	if (entry->flags & ~(uint32_t)TG_TABLE_READONLY)
		return fail_entry(index);
	if (entry->kind == TG_TABLE_BLOCKS && last && entry->count && !entry->flags)
		return check_blocks(check, entry);
	if (entry->kind == TG_TABLE_SET && index < TG_MAX_TABLES &&
	    tg_verify_text(check, about, entry->name) && entry->size &&
	    entry->size <= TG_MAX_SET_SIZE && entry->count <= entry->size)
		return check_elements(check, entry);
	if (entry->kind == TG_TABLE_SERVICES && index < TG_MAX_TABLES &&
	    tg_verify_text(check, about, entry->name) && entry->size &&
	    entry->size <= TG_MAX_SERVICES && entry->count <= entry->size)
		return check_services(check, entry);
	return fail_entry(index);
}

int tg_verify_tables(struct tg_verify *check, const struct tg_image_about *about)
{
	struct tg_table_entry entry = {0};
	int error = tg_verify_take(check, about->table_row, about->tables, "directory of tables");

	for (uint32_t i = 0; !error && i < about->tables; i++)
		error = check_entry(check, about, i, &entry);
	if (!error && entry.kind != TG_TABLE_BLOCKS)
		entry = (struct tg_table_entry){0};
	return error ? error : check_sections(check, about, &entry);
}
