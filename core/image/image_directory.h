/* SPDX-License-Identifier: MIT */
/* image_directory.h - the directory of an image's tables: what the policy declares of each. */
#ifndef TG_IMAGE_IMAGE_DIRECTORY_H
#define TG_IMAGE_IMAGE_DIRECTORY_H

#include "image/image.h"

/* The entry of table `index`, which the image has. */
const struct tg_table_entry *tg_image_table(const void *rows, uint32_t index);

/* The entry of the table that is number `index` of its kind; NULL: there are not so many. */
const struct tg_table_entry *tg_image_table_of(const void *rows, enum tg_table_kind kind,
					       uint32_t index);

/* The entry of the table of this kind and name.  -ENOENT: the image declares no such table. */
int tg_image_table_named(const struct tg_image *image, enum tg_table_kind kind, const char *name,
			 const struct tg_table_entry **entry);

const char *tg_image_table_name(const void *rows, const struct tg_table_entry *entry);

#endif
