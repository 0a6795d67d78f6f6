/* SPDX-License-Identifier: MIT */
/* verify_cursor.h - how far an image has been verified, for the files that verify its parts. */
#ifndef TG_IMAGE_VERIFY_CURSOR_H
#define TG_IMAGE_VERIFY_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"

struct tg_verify {
	const unsigned char *bytes;
	uint32_t rows;
	uint32_t cursor; /* the first row that belongs to no part yet */
	uint32_t rules;
	uint32_t tables;
	bool shadow;                       /* the policy is one */
	struct tg_section seen[TG_PLACES]; /* the sections that have been verified */
	uint32_t seen_count;
};

/* Copy a row, which the image has: the bytes may be unaligned. */
void tg_verify_read(const struct tg_verify *check, uint32_t row, void *out);

/*
 * Give `count` rows from `row` on to a part, and move the cursor past them.
 * -EINVAL: they are not all between the cursor and the end.  `what` are the
 * rows, in the plural, for the message.
 */
int tg_verify_take(struct tg_verify *check, uint32_t row, uint64_t count, const char *what);

/* Whether a printable text starts at an offset of the blob, which is known to end with a NUL. */
bool tg_verify_text(const struct tg_verify *check, const struct tg_image_about *about,
		    uint32_t offset);

#endif
