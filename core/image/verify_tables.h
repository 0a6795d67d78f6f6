/* SPDX-License-Identifier: MIT */
/* verify_tables.h - verifying the tables of an image, and the uses of them. */
#ifndef TG_IMAGE_VERIFY_TABLES_H
#define TG_IMAGE_VERIFY_TABLES_H

#include "image/verify_cursor.h"

/* The part after the blob; and that the sections, which have been verified, use what is in it. */
int tg_verify_tables(struct tg_verify *check, const struct tg_image_about *about);

#endif
