/* SPDX-License-Identifier: MIT */
/* verify_bitset.h - verifying which terms the classes of a tree have. */
#ifndef TG_IMAGE_VERIFY_BITSET_H
#define TG_IMAGE_VERIFY_BITSET_H

#include "image/verify_cursor.h"

/* The bitsets, or the heads, of all classes, in a section of `terms` terms. */
int tg_verify_bitsets(struct tg_verify *check, const struct tg_tree *tree, uint32_t terms);

/* Whether the last classes of a good tree are those of one term each, in the order of the terms. */
int tg_verify_singles(const struct tg_verify *check, const struct tg_tree *tree, uint32_t terms);

#endif
