/* SPDX-License-Identifier: MIT */
/* backend_rows.h - lists of backends as rows, which programs pick from. */
#ifndef TG_TABLE_BACKEND_ROWS_H
#define TG_TABLE_BACKEND_ROWS_H

#include "base/struct_size.h"
#include "bpf/engine/shared_read.h"
#include "bpf/layout/backend_layout.h"
#include "parse/backend.h"
#include "tidegate.h"

/* The rows of one list, in an image, in a map, or in memory of our own. */
struct tg_backend_rows {
	struct tg_choices *choices;
	struct tg_backend *backends;
	uint32_t count;
};

/* The extent of a list: see TG_EXTENT(). */
uint32_t tg_backends_extent(const struct tg_backends *backends);

/* Fill rows of zeros; none of the backends has been picked yet. */
void tg_backend_rows_write(const struct tg_backend_rows *rows, const struct tg_backends *backends);

void tg_backend_rows_read(const struct tg_backend_rows *rows, uint32_t index,
			  struct tg_backend_info *info);

/* Read them all into a list, which must be empty. */
int tg_backend_rows_take(const struct tg_backend_rows *rows, struct tg_backends *backends);

/* What a backend_info of a caller is checked against and written by: see struct_size.h. */
#define TG_BACKEND_INFO_KIND TG_STRUCT_KIND(tg_backend_info, 48)

/*
 * Write the first `capacity` backends to an array of a caller, and how many there are to
 * *count, both of which may be NULL.  -EINVAL: a bad size, or no array.
 */
int tg_backend_rows_give(const struct tg_backend_rows *rows, struct tg_backend_info *backends,
			 uint32_t capacity, uint32_t *count);

/*
 * The backend with the address and port of `like`, or NULL.  The search starts
 * at number `guess`, where it most likely is.
 */
struct tg_backend *tg_backend_rows_find(const struct tg_backend_rows *rows, uint32_t guess,
					const struct tg_backend *like);

/* A list in a table; without backends if it is not wholly inside, or longer than a list can be. */
struct tg_backend_rows tg_list_backends(const struct tg_table_rows *table, struct tg_list_at at,
					uint32_t count);

/* The list of a block, likewise.  If the block may only be read, so may the rows. */
struct tg_backend_rows tg_block_backends(const struct tg_table_rows *table,
					 const struct tg_block *block);

/* Fill the rows of a block, which are zeros. */
void tg_block_write(const struct tg_backends *backends, uint32_t rule, void *rows);

#endif
