/* SPDX-License-Identifier: MIT */
/* image_backends.c - the backends of an image's rules. */
#include "image/image_backends.h"

#include <errno.h>

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
	const char *first = rows->rows, *next = first;

	if (block)
		next = (const char *)block +
		       (size_t)tg_block_rows(TG_EXTENT_BACKENDS(block->extent)) * TG_ROW_BYTES;
	return next == first + (size_t)rows->count * TG_ROW_BYTES ? NULL : (const void *)next;
}

struct tg_backend_rows tg_image_block_backends(const void *rows, uint32_t block)
{
	struct tg_table_rows blocks = tg_image_block_rows(rows);
	const struct tg_block *at = tg_table_row(&blocks, block);

	return at ? tg_block_backends(at) : (struct tg_backend_rows){0};
}

int tg_block_backend(const struct tg_block *block, uint32_t rule, uint32_t index,
		     struct tg_backend_info *info)
{
	struct tg_backend_rows backends = {0};

	if (block)
		backends = tg_block_backends(block);
	if (index >= backends.count)
		return tg_fail(-ERANGE, "rule %u has %u backends, not one numbered %u", rule,
			       backends.count, index);
	tg_backend_rows_read(&backends, index, info);
	return 0;
}

int tg_image_backend(const struct tg_image *image, uint32_t rule, uint32_t index,
		     struct tg_backend_info *info)
{
	struct tg_table_rows rows = tg_image_block_rows(image->rows);
	const struct tg_block *block = NULL;

	while (rows.count && (block = tg_block_next(&rows, block)))
		if (block->rule == rule)
			break;
	return tg_block_backend(block, rule, index, info);
}
