/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * tree_search.h - reading an image: rows, search trees, classes.
 *
 * The same source runs in the kernel and in the simulator.  Every row index is
 * checked against the number of rows.  One that is too large gives -EFAULT, and
 * the caller falls back on the policy's on_error.
 *
 * The searches are free of branches on purpose: see verifier.h.
 */
#ifndef TG_BPF_ENGINE_TREE_SEARCH_H
#define TG_BPF_ENGINE_TREE_SEARCH_H

#include "bpf/engine/features.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

/*
 * An image, as its reader has it.  How many rows there are is a constant to a
 * program's verifier, see TG_VIEW_ROWS(): there is no stack to spare for a
 * number that is not.
 */
struct tg_view {
	const void *rows;
#ifndef __bpf__
	__u32 count;
	const struct tg_table_rows *tables; /* the live tables, by their number in the image */
#endif
};

/* `n` rows from `row` on, or NULL. */
static __always_inline const void *tg_rows(const struct tg_view *view, __u64 row, __u32 n)
{
	__u32 count = TG_VIEW_ROWS(view);

	if (count < n || row > count - n)
		return 0;
	return (const char *)view->rows + row * TG_ROW_BYTES;
}

static __always_inline const void *tg_row(const struct tg_view *view, __u64 row)
{
	return tg_rows(view, row, 1);
}

/* The 64-bit word `index`, counted from the start of the image, or NULL. */
static __always_inline const __u64 *tg_word(const struct tg_view *view, __u64 index)
{
	const char *row = tg_row(view, index / 8);

	return row ? (const __u64 *)(row + index % 8 * 8) : 0;
}

/*
 * The number of keys of a row that are below `value`, in one pass: the keys are
 * in one cache line, and counting them all takes less than the branches that a
 * binary search would mispredict.
 */
#define TG_COUNT_BELOW(width, upper, value)                                                        \
	({                                                                                         \
		__u64 below_ = 0;                                                                  \
		TG_UNROLL                                                                          \
		for (unsigned int i_ = 0; i_ < sizeof(upper) / sizeof((upper)[0]); i_++) {         \
			below_ += tg_below##width((upper)[i_], value);                             \
			TG_IN_ORDER(below_);                                                       \
		}                                                                                  \
		below_;                                                                            \
	})

/* Descend to the leaf that holds `value`; *row is the root's row, afterwards the leaf's. */
static __always_inline int tg_descend32(const struct tg_view *view, __u32 depth, __u64 value,
					__u64 *row)
{
	for (__u32 level = 0; level < TG_MAX_DEPTH && level < depth; level++) {
		const struct tg_node32 *node = tg_row(view, *row);

		if (!node)
			return -TG_EFAULT;
		*row = node->child + TG_COUNT_BELOW(32, node->upper, value);
	}
	return 0;
}

static __always_inline int tg_descend64(const struct tg_view *view, __u32 depth, __u64 value,
					__u64 *row)
{
	for (__u32 level = 0; level < TG_MAX_DEPTH && level < depth; level++) {
		const struct tg_node64 *node = tg_row(view, *row);

		if (!node)
			return -TG_EFAULT;
		*row = node->child + TG_COUNT_BELOW(64, node->upper, value);
	}
	return 0;
}

/* The class of a 32-bit value, or -TG_EFAULT. */
static TG_SUBPROGRAM int tg_class32(const struct tg_view *view, const struct tg_tree *tree,
				    __u32 value)
{
	const struct tg_leaf32 *leaf;
	__u64 row = tree->root;
	int err = tg_descend32(view, tree->depth, value, &row);

	if (err)
		return err;
	leaf = tg_row(view, row);
	if (!leaf)
		return -TG_EFAULT;
	return leaf->cls[TG_COUNT_BELOW(32, leaf->upper, value)];
}

static __always_inline int tg_entry64(const struct tg_view *view, __u32 root, __u32 depth,
				      __u64 value, __u32 *entry)
{
	const struct tg_leaf64 *leaf;
	__u64 row = root;
	int err = tg_descend64(view, depth, value, &row);

	if (err)
		return err;
	leaf = tg_row(view, row);
	if (!leaf)
		return -TG_EFAULT;
	*entry = leaf->entry[TG_COUNT_BELOW(64, leaf->upper, value)];
	return 0;
}

/* The class of a 128-bit value: by its high half, and if that is not enough, by the low one. */
static TG_SUBPROGRAM int tg_class128(const struct tg_view *view, const struct tg_tree *tree,
				     __u64 high, __u64 low)
{
	__u32 entry;
	int err = tg_entry64(view, tree->root, tree->depth, high, &entry);

	if (!err && (entry & TG_CHAIN))
		err = tg_entry64(view, TG_CHAIN_ROW(entry), TG_CHAIN_DEPTH(entry), low, &entry);
	return err ? err : (int)(entry & 0xffff);
}

#endif
