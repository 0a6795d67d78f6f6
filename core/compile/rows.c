/* SPDX-License-Identifier: MIT */
/* rows.c - the rows of an image while it is being compiled. */
#include "compile/compile.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

int tg_rows_add(struct tg_rows *rows, uint64_t count, uint32_t *first)
{
	uint64_t need = rows->count + count;
	int error;

	if (need > TG_MAX_IMAGE_BYTES / TG_ROW_BYTES)
		return tg_fail(-E2BIG,
			       "the image needs at least %llu bytes, the limit is %u; use fewer "
			       "patterns or rules",
			       (unsigned long long)need * TG_ROW_BYTES, TG_MAX_IMAGE_BYTES);
	error = tg_array_reserve(rows->at, rows->capacity, need, "rows of an image");
	if (error)
		return error;
	memset(rows->at[rows->count], 0, count * TG_ROW_BYTES);
	*first = rows->count;
	rows->count = (uint32_t)need;
	return 0;
}
