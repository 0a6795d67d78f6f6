/* SPDX-License-Identifier: MIT */
/* image_directory.c - the directory of an image's tables. */
#include "image/image_directory.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

const struct tg_table_entry *tg_image_table(const void *rows, uint32_t index)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);

	return tg_image_row(rows, about->table_row + index);
}

const struct tg_table_entry *tg_image_table_of(const void *rows, enum tg_table_kind kind,
					       uint32_t index)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);

	for (uint32_t i = 0; i < about->tables; i++)
		if (tg_image_table(rows, i)->kind == kind && !index--)
			return tg_image_table(rows, i);
	return NULL;
}

const char *tg_image_table_name(const void *rows, const struct tg_table_entry *entry)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);

	return (const char *)tg_image_row(rows, about->blob_row) + entry->name;
}

int tg_image_table_named(const struct tg_image *image, enum tg_table_kind kind, const char *name,
			 const struct tg_table_entry **entry)
{
	const struct tg_table_entry *found;

	for (uint32_t i = 0; (found = tg_image_table_of(image->rows, kind, i)); i++) {
		if (strcmp(tg_image_table_name(image->rows, found), name) != 0)
			continue;
		*entry = found;
		return 0;
	}
	return tg_fail(-ENOENT, "the image declares no %s \"%s\"",
		       kind == TG_TABLE_SERVICES ? "services" : "set", name);
}
