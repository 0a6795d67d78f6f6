/* SPDX-License-Identifier: MIT */
/* verify_tree.h - verifying the search tree of a field. */
#ifndef TG_IMAGE_VERIFY_TREE_H
#define TG_IMAGE_VERIFY_TREE_H

#include "image/verify_cursor.h"

/*
 * The nodes and leaves of a tree whose depth and number of classes are within
 * their limits.  `wide`: its keys have 128 bits.
 */
int tg_verify_tree(struct tg_verify *check, const struct tg_tree *tree, bool wide);

#endif
