/* SPDX-License-Identifier: MIT */
/*
 * image_backends.h - the backends of an image's rules.  Those of one rule are a
 * block; all blocks are side by side, in the order of their rules.
 */
#ifndef TG_IMAGE_IMAGE_BACKENDS_H
#define TG_IMAGE_IMAGE_BACKENDS_H

#include "bpf/engine/shared_read.h"
#include "image/image.h"
#include "table/backend_rows.h"

/* The directory's entry of the blocks; NULL: no rule has its own backends. */
const struct tg_table_entry *tg_image_blocks(const void *rows);

/* All blocks, as the rows of a table; without rows if there are none. */
struct tg_table_rows tg_image_block_rows(const void *rows);

/* The block after `block`, or the first for NULL; NULL: there are no more.  `rows` is not empty. */
const struct tg_block *tg_block_next(const struct tg_table_rows *rows,
				     const struct tg_block *block);

/* The backends of the block at row `block` of tg_image_block_rows(); none if it has no such row. */
struct tg_backend_rows tg_image_block_backends(const void *rows, uint32_t block);

#endif
