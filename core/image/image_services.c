/* SPDX-License-Identifier: MIT */
/* image_services.c - the services that an image declares, with their first contents. */
#include "image/image_services.h"

#include <errno.h>

#include "base/error.h"
#include "bpf/engine/service_lookup.h"
#include "image/image_directory.h"
#include "image/image_tables.h"

const struct tg_vip_key *tg_image_service_at(const void *rows, const struct tg_table_entry *entry,
					     uint64_t row)
{
	return row < entry->rows ? tg_image_row(rows, entry->data_row + (uint32_t)row) : NULL;
}

static struct tg_backend_rows backends_of(const struct tg_vip_key *vip)
{
	const struct tg_block *block = (const struct tg_block *)(vip + 1);
	struct tg_table_rows rows = {block, tg_block_rows(TG_EXTENT_BACKENDS(block->extent))};

	return tg_block_backends(&rows, block);
}

uint64_t tg_image_service_row_after(const struct tg_vip_key *vip, uint64_t row)
{
	return row + 1 + tg_block_rows(backends_of(vip).count);
}

int tg_service_table_fill(const struct tg_table *table, const void *rows,
			  const struct tg_table_entry *entry)
{
	const struct tg_vip_key *vip;
	int error = 0;

	for (uint64_t row = 0; !error && (vip = tg_image_service_at(rows, entry, row));
	     row = tg_image_service_row_after(vip, row)) {
		struct tg_backend_rows list = backends_of(vip);
		struct tg_backends backends = {0};

		error = tg_backend_rows_take(&list, &backends);
		if (!error)
			error = tg_service_table_put(table, vip, &backends);
		if (error == -ENOSPC)
			tg_fail(error,
				"services \"%s\": do not have room for the %u that the policy "
				"declares: give them a larger size",
				tg_image_table_name(rows, entry), entry->count);
		tg_backends_free(&backends);
	}
	return error;
}

/* --- What an image says of its services ------------------------------------------------ */

int tg_image_services_next(const struct tg_image *image, uint64_t *cursor,
			   struct tg_services_info *info)
{
	const struct tg_table_entry *entry;
	int error = TG_REQUIRE(image) ?: TG_REQUIRE(cursor);

	if (!error && info)
		error = tg_struct_check(TG_SERVICES_INFO_KIND, info);
	if (error)
		return error;
	entry = tg_image_table_of(image->rows, TG_TABLE_SERVICES, (uint32_t)*cursor);
	if (!entry)
		return 0;
	++*cursor;
	if (info)
		tg_struct_give(TG_SERVICES_INFO_KIND, info,
			       &(struct tg_services_info){
				       .name = tg_image_table_name(image->rows, entry),
				       .capacity = entry->size,
				       .count = entry->count,
				       .flags = entry->flags,
			       });
	return 1;
}

/* A cursor is the row of the next service. */
int tg_image_vip_next(const struct tg_image *image, const char *services, uint64_t *cursor,
		      struct tg_vip_info *info)
{
	const struct tg_table_entry *entry;
	const struct tg_vip_key *vip;
	int error = TG_REQUIRE(image) ?: TG_REQUIRE(services) ?: TG_REQUIRE(cursor);

	if (!error)
		error = tg_vip_check_info(info);
	if (!error)
		error = tg_image_table_named(image, TG_TABLE_SERVICES, services, &entry);
	if (error)
		return error;
	vip = tg_image_service_at(image->rows, entry, *cursor);
	if (!vip)
		return 0;
	tg_vip_show(vip, backends_of(vip).count, info);
	*cursor = tg_image_service_row_after(vip, *cursor);
	return 1;
}

int tg_image_vip_backends(const struct tg_image *image, const char *services, const char *vip,
			  struct tg_backend_info *backends, uint32_t capacity, uint32_t *count)
{
	const struct tg_table_entry *entry;
	const struct tg_table_rows *table;
	struct tg_backend_rows list;
	struct tg_vip_key key;
	int place, error = TG_REQUIRE(image) ?: TG_REQUIRE(services) ?: TG_REQUIRE(vip);

	if (!error)
		error = tg_vip_parse(vip, &key);
	if (!error)
		error = tg_image_table_named(image, TG_TABLE_SERVICES, services, &entry);
	if (!error)
		error = tg_image_tables(image, &table);
	if (error)
		return error;
	table += entry - tg_image_table(image->rows, 0);
	place = tg_vip_find(table, key.what, key.high, key.low);
	if (place < 0)
		return 0;
	list = tg_service_backends(table, tg_vip_at(table, (uint32_t)place)->state);
	error = tg_backend_rows_give(&list, backends, capacity, count);
	return error ? error : 1;
}
