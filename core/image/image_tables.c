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

struct tg_image_tables {
	struct tg_table *at;
	struct tg_table_rows *rows;
	uint32_t count;
};

int tg_set_table_fill(const struct tg_table *table, const void *rows,
		      const struct tg_table_entry *entry)
{
	const struct tg_element *elements = tg_image_row(rows, entry->data_row);

	for (uint32_t i = 0; i < entry->count; i++) {
		if (tg_set_table_add(table, &elements[i], 1))
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

static void free_tables(struct tg_image_tables *tables)
{
	for (uint32_t i = 0; tables->at && i < tables->count; i++)
		if (tables->at[i].rows.rows)
			tg_table_close(&tables->at[i]);
	free(tables->at);
	free(tables->rows);
	free(tables);
}

static int make_tables(const void *image, uint32_t count, struct tg_image_tables **out)
{
	struct tg_image_tables *tables = calloc(1, sizeof(*tables));
	int error = 0;

	if (tables) {
		tables->count = count;
		tables->at = calloc(count + 1, sizeof(*tables->at));
		tables->rows = calloc(count + 1, sizeof(*tables->rows));
	}
	if (!tables || !tables->at || !tables->rows)
		error = tg_fail(-ENOMEM, "out of memory: no room for the image's tables");
	for (uint32_t i = 0; i < count && !error; i++)
		error = make_table(image, tg_image_table(image, i), &tables->at[i],
				   &tables->rows[i]);
	if (!error)
		*out = tables;
	else if (tables)
		free_tables(tables);
	return error;
}

/* Threads may ask for the tables at the same time: the first to have made them wins. */
int tg_image_tables(const struct tg_image *image, const struct tg_table_rows **rows)
{
	struct tg_image_tables **place = &((struct tg_image *)image)->tables;
	const struct tg_image_about *about = tg_image_row(image->rows, 1);
	struct tg_image_tables *tables = __atomic_load_n(place, __ATOMIC_ACQUIRE), *first = NULL;

	if (!tables) {
		int error = make_tables(image->rows, about->tables, &tables);

		if (error)
			return error;
		if (!__atomic_compare_exchange_n(place, &first, tables, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_ACQUIRE)) {
			free_tables(tables);
			tables = first;
		}
	}
	*rows = tables->rows;
	return 0;
}

void tg_image_tables_free(struct tg_image *image)
{
	if (image->tables)
		free_tables(image->tables);
	image->tables = NULL;
}

/* --- What an image says of its sets ----------------------------------------------------- */

int tg_image_set_next(const struct tg_image *image, uint64_t *cursor, struct tg_set_info *info)
{
	const struct tg_table_entry *entry;
	int error = TG_REQUIRE(image) ?: TG_REQUIRE(cursor);

	if (!error && info)
		error = tg_struct_check(TG_SET_INFO_KIND, info);
	if (error)
		return error;
	entry = tg_image_table_of(image->rows, TG_TABLE_SET, (uint32_t)*cursor);
	if (!entry)
		return 0;
	++*cursor;
	if (info)
		tg_struct_give(TG_SET_INFO_KIND, info,
			       &(struct tg_set_info){
				       .name = tg_image_table_name(image->rows, entry),
				       .capacity = entry->size,
				       .count = entry->count,
				       .ttl_ms = tg_ttl_shown(entry->ttl_ms),
				       .flags = entry->flags,
			       });
	return 1;
}

int tg_image_element_next(const struct tg_image *image, const char *set, uint64_t *cursor,
			  struct tg_set_element *element)
{
	const struct tg_table_entry *entry;
	const struct tg_element *elements;
	int error = TG_REQUIRE(image) ?: TG_REQUIRE(set) ?: TG_REQUIRE(cursor);

	if (!error)
		error = tg_element_check(element);
	if (!error)
		error = tg_image_table_named(image, TG_TABLE_SET, set, &entry);
	if (error)
		return error;
	if (*cursor >= entry->count)
		return 0;
	elements = tg_image_row(image->rows, entry->data_row);
	tg_element_show(&elements[(*cursor)++], element);
	return 1;
}
