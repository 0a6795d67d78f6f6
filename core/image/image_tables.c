/* SPDX-License-Identifier: MIT */
/* image_tables.c - the live tables that an image declares, as they are at first. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "image/image.h"
#include "table/service.h"
#include "table/set.h"

const struct tg_table_entry *tg_image_table(const void *rows, uint32_t index)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);

	return tg_image_row(rows, about->table_row + index);
}

const char *tg_image_table_name(const void *rows, const struct tg_table_entry *entry)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);

	return (const char *)tg_image_row(rows, about->blob_row) + entry->name;
}

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

/* Nobody adds to them: they need not be as large as those in the kernel. */
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

/* Lists of backends are read where they stand. */
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
			error = tg_fail(-ENOMEM, "out of memory: no room for the image's sets");
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

/* --- What an image says of them --------------------------------------------------------- */

const struct tg_table_entry *tg_image_table_of(const void *rows, enum tg_table_kind kind,
					       uint32_t index)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);

	for (uint32_t i = 0; i < about->tables; i++)
		if (tg_image_table(rows, i)->kind == kind && !index--)
			return tg_image_table(rows, i);
	return NULL;
}

const struct tg_table_entry *tg_image_find(const struct tg_image *image, enum tg_table_kind kind,
					   uint32_t index)
{
	const struct tg_table_entry *entry = tg_image_table_of(image->rows, kind, index);

	if (!entry)
		tg_fail(-ERANGE, "the image has no %s numbered %u",
			kind == TG_TABLE_SERVICES ? "services" : "set", index);
	return entry;
}

int tg_image_set(const struct tg_image *image, uint32_t index, struct tg_set_info *info)
{
	const struct tg_table_entry *entry = tg_image_find(image, TG_TABLE_SET, index);

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
	const struct tg_table_entry *entry = tg_image_find(image, TG_TABLE_SET, index);
	const struct tg_element *elements;

	if (!entry)
		return -ERANGE;
	if (*cursor >= entry->count)
		return 0;
	elements = tg_image_row(image->rows, entry->data_row);
	tg_element_show(&elements[(*cursor)++], element);
	return 1;
}
