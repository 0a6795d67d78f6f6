/* SPDX-License-Identifier: MIT */
/* verify_cursor.c - how far an image has been verified. */
#include "image/verify_cursor.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/printable.h"

void tg_verify_read(const struct tg_verify *check, uint32_t row, void *out)
{
	memcpy(out, check->bytes + (size_t)row * TG_ROW_BYTES, TG_ROW_BYTES);
}

int tg_verify_take(struct tg_verify *check, uint32_t row, uint64_t count, const char *what)
{
	if (row < check->cursor)
		return tg_fail(-EINVAL, "damaged image: %s at row %u overlap what is before", what,
			       row);
	if (row > check->rows || count > check->rows - row)
		return tg_fail(-EINVAL, "damaged image: %s at row %u reach past its end", what,
			       row);
	check->cursor = row + (uint32_t)count;
	return 0;
}

bool tg_verify_text(const struct tg_verify *check, const struct tg_image_about *about,
		    uint32_t offset)
{
	const char *blob = (const char *)check->bytes + (size_t)about->blob_row * TG_ROW_BYTES;

	return offset < about->blob_bytes && !tg_unprintable(blob + offset);
}
