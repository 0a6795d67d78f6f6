/* SPDX-License-Identifier: MIT */
/* image_tables.c - the tables of an image, and what an image says of its sets. */
#include "image/image_tables.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "image/image_backends.h"
#include "image/image_directory.h"
#include "image/image_services.h"
#include "table/set.h"

int tg_set_table_fill(const struct tg_table *table, const void *rows,
		      const struct tg_table_entry *entry)
{
	const struct tg_element *elements = tg_image_row(rows, entry->data_row);

	for (uint32_t i = 0; i < entry->count; i++) {
		if (tg_set_table_add(table, &elements[i]))
			return tg_fail(-ENOSPC,
				       "set \"%s\": does not have room for its %u elements",
				       tg_image_table_name(rows, entry), entry->count);
	}
	return 0;
}

/* Nothing is added to it later: it need not be as large as the one in the kernel. */
static int make_services(const void *rows, const struct tg_table_entry *entry,
			 struct tg_table *table)
{
	uint32_t by_rows = entry->rows / 4 + 1;
	uint32_t size = entry->count > by_rows ? entry->count : by_rows;
	int error = tg_table_make_memory(table, tg_service_table_rows(size));

	if (error)
		return error;
	tg_service_table_init(table, size);
	error = tg_service_table_fill(table, rows, entry);
	if (error)
		tg_table_close(table);
	return error;
}

static int make_set(const void *rows, const struct tg_table_entry *entry, struct tg_table *table)
{
	uint32_t size = entry->count ? entry->count : 1;
	int error = tg_table_make_memory(table, tg_set_table_rows(size));

	if (error)
		return error;
	tg_set_table_init(table, size, entry->ttl_ms);
	error = tg_set_table_fill(table, rows, entry);
	if (error)
		tg_table_close(table);
	return error;
}

/* Blocks of backends need no table of their own: they are read from the image. */
static int make_table(const void *rows, const struct tg_table_entry *entry, struct tg_table *table,
		      struct tg_table_rows *view)
{
	int error = 0;

	if (entry->kind == TG_TABLE_SET)
		error = make_set(rows, entry, table);
	else if (entry->kind == TG_TABLE_SERVICES)
		error = make_services(rows, entry, table);
	*view = entry->kind == TG_TABLE_BLOCKS ? tg_image_block_rows(rows) : table->rows;
	return error;
}

int tg_image_tables(const struct tg_image *constant, const struct tg_table_rows **tables)
{
	struct tg_image *image = (struct tg_image *)constant;
	const struct tg_image_about *about = tg_image_row(image->rows, 1);
	int error = 0;

	if (about->tables && !image->tables) {
		image->tables = calloc(about->tables, sizeof(*image->tables));
		image->table_rows = calloc(about->tables, sizeof(*image->table_rows));
		if (!image->tables || !image->table_rows)
			error = tg_fail(-ENOMEM, "out of memory: no room for the image's tables");
		for (uint32_t i = 0; i < about->tables && !error; i++) {
			const struct tg_table_entry *entry = tg_image_table(image->rows, i);

			error = make_table(image->rows, entry, &image->tables[i],
					   &image->table_rows[i]);
		}
	}
	if (error) {
		tg_image_tables_free(image);
		return error;
	}
	*tables = image->table_rows;
	return 0;
}

void tg_image_tables_free(struct tg_image *image)
{
	const struct tg_image_about *about;

	if (!image->tables)
		return;
	about = tg_image_row(image->rows, 1);
	for (uint32_t i = 0; i < about->tables; i++)
		if (image->tables[i].rows.rows)
			tg_table_close(&image->tables[i]);
	free(image->tables);
	free(image->table_rows);
	image->tables = NULL;
	image->table_rows = NULL;
}

/* --- What an image says of its sets ----------------------------------------------------- */

int tg_image_set(const struct tg_image *image, uint32_t index, struct tg_set_info *info)
{
	const struct tg_table_entry *entry = tg_image_table_find(image, TG_TABLE_SET, index);

	if (!entry)
		return -ERANGE;
	*info = (struct tg_set_info){
		.size = sizeof(*info),
		.name = tg_image_table_name(image->rows, entry),
		.room = entry->size,
		.count = entry->count,
		.ttl_ms = entry->ttl_ms,
	};
	return 0;
}

int tg_image_set_next(const struct tg_image *image, uint32_t index, uint64_t *cursor,
		      struct tg_set_element *element)
{
	const struct tg_table_entry *entry = tg_image_table_find(image, TG_TABLE_SET, index);
	const struct tg_element *elements;

	if (!entry)
		return -ERANGE;
	if (*cursor >= entry->count)
		return 0;
	elements = tg_image_row(image->rows, entry->data_row);
	tg_element_show(&elements[(*cursor)++], element);
	return 1;
}
