/* SPDX-License-Identifier: MIT */
/* image_services.h - the services that an image declares, with their first contents. */
#ifndef TG_IMAGE_IMAGE_SERVICES_H
#define TG_IMAGE_IMAGE_SERVICES_H

#include "image/image.h"
#include "table/service.h"

/*
 * The service at row `row` of a table of services: its VIP, which its block
 * follows.  NULL: there are no more.
 * for (row = 0; (vip = tg_image_service_at(rows, entry, row));
 *      row = tg_image_service_row_after(vip, row))
 */
const struct tg_vip_key *tg_image_service_at(const void *rows, const struct tg_table_entry *entry,
					     uint64_t row);
uint64_t tg_image_service_row_after(const struct tg_vip_key *vip, uint64_t row);

/* Add an image's services to their table.  -ENOSPC: they do not fit; -ENOMEM. */
int tg_service_table_fill(const struct tg_table *table, const void *rows,
			  const struct tg_table_entry *entry);

#endif
