/* SPDX-License-Identifier: MIT */
/* verify_tree.c - whether the search tree of a field can be walked. */
#include "image/verify_tree.h"

#include <errno.h>

#include "base/error.h"

struct level {
	uint32_t row;
	uint32_t count;
	uint32_t next; /* count of the level below */
};

static uint32_t count_real(const void *row, uint32_t keys, bool wide)
{
	uint32_t real = 0;

	for (uint32_t i = 0; i < keys; i++) {
		if (wide)
			real += ((const uint64_t *)row)[i] != UINT64_MAX;
		else
			real += ((const uint32_t *)row)[i] != UINT32_MAX;
	}
	return real;
}

/*
 * No value passes a key of all ones, so a node has one child more than it has
 * other keys.
 */
static int check_nodes(struct tg_verify *check, struct level *level, bool wide)
{
	const uint32_t children = wide ? 8 : 16;

	level->next = 0;
	for (uint32_t i = 0; i < level->count; i++) {
		union {
			struct tg_node32 narrow;
			struct tg_node64 wide;
		} node;
		uint32_t child, reach;

		tg_verify_read(check, level->row + i, &node);
		child = wide ? node.wide.child : node.narrow.child;
		reach = count_real(&node, children - 1, wide) + 1;
		if (child != level->row + level->count + i * children)
			return tg_fail(-EINVAL,
				       "damaged image: the children of the node at row %u are not "
				       "where they belong",
				       level->row + i);
		if (reach != children && i != level->count - 1)
			return tg_fail(-EINVAL, "damaged image: the node at row %u is not full",
				       level->row + i);
		level->next += reach;
	}
	return 0;
}

/* All levels from the root down; *leaves is the last one. */
static int check_levels(struct tg_verify *check, uint32_t root, uint32_t depth, bool wide,
			struct level *leaves)
{
	struct level level = {.row = root, .count = 1};
	int error = tg_verify_take(check, root, 1, "rows of a tree");

	for (uint32_t i = 0; !error && i < depth; i++) {
		error = check_nodes(check, &level, wide);
		if (error)
			break;
		level.row += level.count;
		level.count = level.next;
		error = tg_verify_take(check, level.row, level.count, "rows of a tree");
	}
	if (!error)
		*leaves = level;
	return error;
}

static int check_class(uint32_t cls, uint32_t classes, uint32_t row)
{
	if (cls >= classes)
		return tg_fail(-EINVAL,
			       "damaged image: class %u in the leaf at row %u, the tree has %u",
			       cls, row, classes);
	return 0;
}

static int check_tree32(struct tg_verify *check, const struct tg_tree *tree)
{
	const uint32_t classes = tree->classes;
	struct level leaves;
	int error = check_levels(check, tree->root, tree->depth, false, &leaves);

	for (uint32_t i = 0; !error && i < leaves.count; i++) {
		struct tg_leaf32 leaf;

		tg_verify_read(check, leaves.row + i, &leaf);
		for (int k = 0; !error && k < 11; k++)
			error = check_class(leaf.cls[k], classes, leaves.row + i);
	}
	return error;
}

/* The tree for the low half under one value of the high half: its leaves hold classes only. */
static int check_chained(struct tg_verify *check, uint32_t entry, uint32_t classes)
{
	struct level leaves;
	int error = check_levels(check, TG_CHAIN_ROW(entry), TG_CHAIN_DEPTH(entry), true, &leaves);

	for (uint32_t i = 0; !error && i < leaves.count; i++) {
		struct tg_leaf64 leaf;

		tg_verify_read(check, leaves.row + i, &leaf);
		for (int k = 0; !error && k < 6; k++)
			error = check_class(leaf.entry[k], classes, leaves.row + i);
	}
	return error;
}

static int check_tree128(struct tg_verify *check, const struct tg_tree *tree)
{
	struct level leaves;
	int error = check_levels(check, tree->root, tree->depth, true, &leaves);

	for (uint32_t i = 0; !error && i < leaves.count; i++) {
		struct tg_leaf64 leaf;

		tg_verify_read(check, leaves.row + i, &leaf);
		for (int k = 0; !error && k < 6; k++) {
			uint32_t entry = leaf.entry[k];

			/* The entries after the last interval repeat it. */
			if (k > 0 && entry == leaf.entry[k - 1])
				continue;
			error = entry & TG_CHAIN
					? check_chained(check, entry, tree->classes)
					: check_class(entry, tree->classes, leaves.row + i);
		}
	}
	return error;
}

int tg_verify_tree(struct tg_verify *check, const struct tg_tree *tree, bool wide)
{
	return wide ? check_tree128(check, tree) : check_tree32(check, tree);
}
