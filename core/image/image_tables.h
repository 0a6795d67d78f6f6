/* SPDX-License-Identifier: MIT */
/* image_tables.h - the tables of an image, with the contents that its policy declares. */
#ifndef TG_IMAGE_IMAGE_TABLES_H
#define TG_IMAGE_IMAGE_TABLES_H

#include "image/image.h"
#include "table/table.h"

/*
 * The tables, by their number in the image: live tables with their first
 * contents, and the blocks of backends.  They are made in memory when this is first
 * called, by whichever thread, and belong to the image.
 */
int tg_image_tables(const struct tg_image *image, const struct tg_table_rows **tables);
void tg_image_tables_free(struct tg_image *image);

/* Add the elements of an image's set to a set's table.  -ENOSPC: they do not fit. */
int tg_set_table_fill(const struct tg_table *table, const void *rows,
		      const struct tg_table_entry *entry);

#endif
