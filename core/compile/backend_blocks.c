/* SPDX-License-Identifier: MIT */
/*
 * backend_blocks.c - the lists of backends in an image: all of them, one behind the
 * other, in the order of their rules.
 */
#include <errno.h>

#include "parse/backend.h"
#include "compile/compile.h"
#include "base/error.h"
#include "image/image.h"

static uint32_t rule_rows(const struct tg_policy_rule *rule)
{
	return rule->backends.count ? tg_block_rows(rule->backends.count) : 0;
}

void tg_block_seek(const struct tg_policy *policy, uint32_t rule, struct tg_block_cursor *cursor)
{
	while (cursor->rule < rule)
		cursor->row += rule_rows(&policy->rules[cursor->rule++]);
}

bool tg_backend_blocks_any(const struct tg_policy *policy)
{
	for (uint32_t i = 0; i < policy->rule_count; i++)
		if (policy->rules[i].backends.count)
			return true;
	return false;
}

int tg_backend_blocks_write(const struct tg_policy *policy, struct tg_rows *rows,
			    struct tg_table_entry *entry)
{
	struct tg_block_cursor cursor = {0};
	int error;

	tg_block_seek(policy, policy->rule_count, &cursor);
	*entry = (struct tg_table_entry){.kind = TG_TABLE_BLOCKS, .count = cursor.row};
	error = tg_rows_add(rows, cursor.row, &entry->data_row);
	if (error)
		return tg_fail(error, "backends: %s", tg_error());
	cursor = (struct tg_block_cursor){0};
	for (uint32_t i = 0; i < policy->rule_count; i++) {
		tg_block_seek(policy, i, &cursor);
		if (policy->rules[i].backends.count)
			tg_block_write(&policy->rules[i].backends, i,
				       rows->at[entry->data_row + cursor.row]);
	}
	return 0;
}

/* --- In an image ----------------------------------------------------------------------- */

const struct tg_table_entry *tg_image_blocks(const void *rows)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);
	const struct tg_table_entry *last;

	if (!about->tables)
		return NULL;
	last = tg_image_table(rows, about->tables - 1);
	return last->kind == TG_TABLE_BLOCKS ? last : NULL;
}

const struct tg_block *tg_block_next(const struct tg_table_rows *rows, const struct tg_block *block)
{
	const char *first = rows->rows, *next = first;

	if (block)
		next = (const char *)block +
		       (size_t)tg_block_rows(TG_EXTENT_BACKENDS(block->extent)) * TG_ROW_BYTES;
	return next == first + (size_t)rows->count * TG_ROW_BYTES ? NULL : (const void *)next;
}

struct tg_table_rows tg_image_block_rows(const void *rows)
{
	const struct tg_table_entry *entry = tg_image_blocks(rows);

	if (!entry)
		return (struct tg_table_rows){0};
	return (struct tg_table_rows){tg_image_row(rows, entry->data_row), entry->count};
}

struct tg_backend_rows tg_image_list(const void *rows, uint32_t block)
{
	struct tg_table_rows blocks = tg_image_block_rows(rows);
	const struct tg_block *list = tg_table_row(&blocks, block);

	return list ? tg_block_backends(list) : (struct tg_backend_rows){0};
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
