/* SPDX-License-Identifier: MIT */
/* image_services.c - the services that an image declares, with their first contents. */
#include "image/image_services.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "image/image_directory.h"

const struct tg_vip_key *tg_image_service_at(const void *rows, const struct tg_table_entry *entry,
					     uint64_t row)
{
	return row < entry->rows ? tg_image_row(rows, entry->data_row + (uint32_t)row) : NULL;
}

static struct tg_backend_rows backends_of(const struct tg_vip_key *vip)
{
	return tg_block_backends((const struct tg_block *)(vip + 1));
}

uint64_t tg_image_service_row_after(const struct tg_vip_key *vip, uint64_t row)
{
	return row + 1 + tg_block_rows(backends_of(vip).count);
}

static int read_backends(const struct tg_vip_key *vip, struct tg_backends *backends)
{
	struct tg_backend_rows rows = backends_of(vip);

	backends->at = calloc(rows.count + 1, sizeof(*backends->at));
	if (!backends->at)
		return tg_fail(-ENOMEM, "out of memory: no room for backends");
	for (uint32_t i = 0; i < rows.count; i++) {
		struct tg_backend_place *place = &backends->at[backends->count++];
		struct tg_backend_info info;

		tg_backend_rows_read(&rows, i, &info);
		place->port_be = htons((uint16_t)info.port);
		place->weight = (uint16_t)info.weight;
		place->state = info.state;
		memcpy(place->addr_be, info.addr, sizeof(place->addr_be));
	}
	return 0;
}

int tg_service_table_fill(const struct tg_table *table, const void *rows,
			  const struct tg_table_entry *entry)
{
	const struct tg_vip_key *vip;
	int error = 0;

	for (uint64_t row = 0; !error && (vip = tg_image_service_at(rows, entry, row));
	     row = tg_image_service_row_after(vip, row)) {
		struct tg_backends backends = {0};

		error = read_backends(vip, &backends);
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

int tg_image_services(const struct tg_image *image, uint32_t index, struct tg_services_info *info)
{
	const struct tg_table_entry *entry = tg_image_table_find(image, TG_TABLE_SERVICES, index);

	if (!entry)
		return -ERANGE;
	*info = (struct tg_services_info){
		.size = sizeof(*info),
		.name = tg_image_table_name(image->rows, entry),
		.room = entry->size,
		.count = entry->count,
	};
	return 0;
}

/* The upper half of a cursor is the row of the last service, the lower half that of the next. */
int tg_image_service_next(const struct tg_image *image, uint32_t index, uint64_t *cursor,
			  struct tg_vip_info *info)
{
	const struct tg_table_entry *entry = tg_image_table_find(image, TG_TABLE_SERVICES, index);
	uint32_t row = (uint32_t)*cursor;
	const struct tg_vip_key *vip;

	if (!entry)
		return -ERANGE;
	vip = tg_image_service_at(image->rows, entry, row);
	if (!vip)
		return 0;
	tg_vip_show(vip, backends_of(vip).count, info);
	*cursor = (uint64_t)row << 32 | tg_image_service_row_after(vip, row);
	return 1;
}

int tg_image_service_backend(const struct tg_image *image, uint32_t index, uint64_t cursor,
			     uint32_t number, struct tg_backend_info *info)
{
	const struct tg_table_entry *entry = tg_image_table_find(image, TG_TABLE_SERVICES, index);
	const struct tg_vip_key *vip =
		entry ? tg_image_service_at(image->rows, entry, cursor >> 32) : NULL;
	struct tg_backend_rows rows = {0};

	if (vip)
		rows = backends_of(vip);
	if (number >= rows.count)
		return tg_fail(-ERANGE, "the service has no backend %u", number);
	tg_backend_rows_read(&rows, number, info);
	return 0;
}
