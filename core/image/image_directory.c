/* SPDX-License-Identifier: MIT */
/* image_directory.c - the directory of an image's tables. */
#include "image/image_directory.h"

#include <errno.h>

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

const struct tg_table_entry *tg_image_table_find(const struct tg_image *image,
						 enum tg_table_kind kind, uint32_t index)
{
	const struct tg_table_entry *entry = tg_image_table_of(image->rows, kind, index);

	if (!entry)
		tg_fail(-ERANGE, "the image has no %s numbered %u",
			kind == TG_TABLE_SERVICES ? "services" : "set", index);
	return entry;
}

const char *tg_image_table_name(const void *rows, const struct tg_table_entry *entry)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);

	return (const char *)tg_image_row(rows, about->blob_row) + entry->name;
}
