/* SPDX-License-Identifier: MIT */
/* verify.h - what the files that verify an image share. */
#ifndef TG_IMAGE_VERIFY_H
#define TG_IMAGE_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"

struct tg_verify {
	const unsigned char *bytes;
	uint32_t rows;
	uint32_t cursor; /* the first row that no part has yet */
	uint32_t rules;
	uint32_t tables;
	struct tg_section seen[TG_PLACES]; /* the sections before */
	uint32_t seen_count;
};

/* Rows may be anywhere in memory: they are copied, not looked at in place. */
void tg_verify_read(const struct tg_verify *check, uint32_t row, void *out);

/* Move the cursor behind `count` rows from `row`; `what` they are. */
int tg_verify_take(struct tg_verify *check, uint32_t row, uint64_t count, const char *what);

/* --- verify_tree.c ------------------------------------------------------------ */

/* The nodes and leaves of a tree, of which depth and number of classes are good; `wide`: of 128
 * bits. */
int tg_verify_tree(struct tg_verify *check, const struct tg_tree *tree, bool wide);

/* --- verify_bitset.c ---------------------------------------------------------- */

/* What terms each class of the tree has. */
int tg_verify_bitsets(struct tg_verify *check, const struct tg_tree *tree, uint32_t terms);

/* Whether the last classes of a good tree are those of one term each. */
int tg_verify_singles(const struct tg_verify *check, const struct tg_tree *tree, uint32_t terms);

/* verify_tables.c: the part behind the blob. */
int tg_verify_tables(struct tg_verify *check, const struct tg_image_about *about);

#endif
