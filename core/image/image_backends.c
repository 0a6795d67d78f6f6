/* SPDX-License-Identifier: MIT */
/* image_backends.c - the backends of an image's rules. */
#include "image/image_backends.h"

#include "base/error.h"
#include "image/image_directory.h"

const struct tg_table_entry *tg_image_blocks(const void *rows)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);
	const struct tg_table_entry *last;

	if (!about->tables)
		return NULL;
	last = tg_image_table(rows, about->tables - 1);
	return last->kind == TG_TABLE_BLOCKS ? last : NULL;
}

struct tg_table_rows tg_image_block_rows(const void *rows)
{
	const struct tg_table_entry *entry = tg_image_blocks(rows);

	if (!entry)
		return (struct tg_table_rows){0};
	return (struct tg_table_rows){tg_image_row(rows, entry->data_row), entry->count};
}

const struct tg_block *tg_block_next(const struct tg_table_rows *rows, const struct tg_block *block)
{
	uint32_t row = 0;

	if (block)
		row = (uint32_t)(block - (const struct tg_block *)rows->rows) +
		      tg_block_rows(TG_EXTENT_BACKENDS(TG_LOAD(block->extent)));
	return tg_table_row(rows, row);
}

struct tg_backend_rows tg_image_block_backends(const void *rows, uint32_t block)
{
	struct tg_table_rows blocks = tg_image_block_rows(rows);
	const struct tg_block *at = tg_table_row(&blocks, block);

	return at ? tg_block_backends(&blocks, at) : (struct tg_backend_rows){0};
}

/* The backends of a rule; none if it has no block. */
static struct tg_backend_rows rule_backends(const void *rows, uint32_t rule)
{
	struct tg_table_rows blocks = tg_image_block_rows(rows);
	const struct tg_block *block = NULL;

	while (blocks.count && (block = tg_block_next(&blocks, block)))
		if (block->rule == rule)
			return tg_block_backends(&blocks, block);
	return (struct tg_backend_rows){0};
}

int tg_image_rule_backends(const struct tg_image *image, uint32_t rule,
			   struct tg_backend_info *backends, uint32_t capacity, uint32_t *count)
{
	struct tg_rule_info info = {.size = sizeof(info)};
	struct tg_backend_rows rows;
	int error = TG_REQUIRE(image) ?: tg_image_rule(image, rule, &info);

	if (error)
		return error;
	rows = rule_backends(image->rows, rule);
	return tg_backend_rows_give(&rows, backends, capacity, count);
}
