/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * tree_search.h - reading an image: rows, search trees, classes.
 *
 * The same source runs in the kernel and in the simulator.  Every row is
 * checked against the number of rows; what does not fit is -EFAULT, and the
 * caller falls back on the policy's on_error.
 *
 * The searches are free of branches on purpose.  A key is compared by
 * arithmetic on loaded values, so the verifier sees one unknown number where a
 * branch would give it two paths a key.
 */
#ifndef TG_BPF_ENGINE_TREE_SEARCH_H
#define TG_BPF_ENGINE_TREE_SEARCH_H

#include "bpf/layout/image_layout.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* What loops over constants: the programs want them flat, the compiler of the core decides. */
#ifdef __bpf__
#define TG_UNROLL _Pragma("unroll")
#else
#define TG_UNROLL
#endif

/* What has to stay a loop: code that is copied for each turn spills more. */
#ifdef __bpf__
#define TG_ROLL _Pragma("clang loop unroll(disable)")
#else
#define TG_ROLL
#endif

/*
 * A function that is called, not copied: programs have 512 bytes of stack, and
 * what is copied for every field spills.
 */
#ifdef __bpf__
#define TG_SUBPROGRAM __attribute__((noinline))
#else
#define TG_SUBPROGRAM inline
#endif

/*
 * A function of numbers that the verifier looks at once, on its own, and of
 * whose result it knows nothing: what calls it is not taken apart for each
 * way through it.  Before Linux 6.8 it looks at it even where nothing calls it:
 * a map that is not always there is touched behind a look at the features.
 */
#ifdef __bpf__
#define TG_GLOBAL __attribute__((noinline))
#else
#define TG_GLOBAL static inline
#endif

/* A number that clang knows nothing of: else it finds the comparison behind the arithmetic. */
#ifdef __bpf__
#define TG_OPAQUE(number) asm("" : "+r"(number))
#else
#define TG_OPAQUE(number)
#endif

/* Keeps clang from having everything in flight at once: what does not fit is spilled. */
#ifdef __bpf__
#define TG_IN_ORDER(number) asm volatile("" : "+r"(number))
#else
#define TG_IN_ORDER(number)
#endif

/*
 * Start to bring a number from memory that is needed later.  A processor that
 * does not look past the return of a function (for its mitigations) would ask
 * for it only then.
 */
#ifdef __bpf__
#define TG_TOUCH(number) ((void)*(const volatile __typeof__(number) *)&(number))
#else
#define TG_TOUCH(number) ((void)0)
#endif

/*
 * Call `step` up to `n` times, until it returns 1.  It gets the number of the
 * step and `context`.
 */
#ifdef __bpf__
#define TG_LOOP(n, step, context) bpf_loop(n, step, context, 0)
#else
#define TG_LOOP(n, step, context)                                                                  \
	do {                                                                                       \
		for (__u32 i_ = 0; i_ < (n); i_++)                                                 \
			if (step(i_, context))                                                     \
				break;                                                             \
	} while (0)
#endif

#define TG_EFAULT 14

/*
 * A program says in TG_VIEW_ROWS how many rows there are, as a number that the
 * verifier knows; it has no stack to spare for one that it does not.
 */
struct tg_view {
	const void *rows;
#ifndef TG_VIEW_ROWS
	__u32 count;
	const struct tg_table_rows *tables; /* the live tables, by their number in the image */
#endif
};

#ifndef TG_VIEW_ROWS
#define TG_VIEW_ROWS(view) ((view)->count)
#endif

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
 * The lowest bit set, of a word that is not zero, by a de Bruijn sequence:
 * clang 14 crashes on __builtin_ctzll() for BPF.
 */
static const __u8 tg_debruijn[64] = {
	0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,  62, 55, 59, 36, 53, 51,
	43, 22, 45, 39, 33, 30, 24, 18, 12, 5,  63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
	44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6,
};

static __always_inline __u32 tg_lowest_bit(__u64 word)
{
	return tg_debruijn[((word & -word) * 0x03f79d71b4cb0a89ull) >> 58];
}

/*
 * The number as it is, to the verifier an unknown one: it goes on once, however
 * that was come by.
 */
TG_GLOBAL int tg_forget(int number)
{
	TG_OPAQUE(number);
	return number;
}

/* 1 for 0, else 0, without a branch. */
static __always_inline __u32 tg_is_zero(__u64 word)
{
	TG_OPAQUE(word);
	return ~(word | -word) >> 63;
}

/* 1 if a < b.  Both are 32 bits wide, so the sign tells. */
static __always_inline __u64 tg_below32(__u64 a, __u64 b)
{
	TG_OPAQUE(a);
	return (a - b) >> 63;
}

/* 1 if a < b: the borrow of a - b. */
static __always_inline __u64 tg_below64(__u64 a, __u64 b)
{
	TG_OPAQUE(a);
	return ((~a & b) | (~(a ^ b) & (a - b))) >> 63;
}

/*
 * Found in one pass each: a row's keys are in one cache line, and counting
 * them all takes less than the branches that a binary search would mispredict.
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

/* Down to the leaf that holds `value`; *row is the root's, then the leaf's. */
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

/* The class of a 128-bit value: by its high half, and by the low one where that is not enough. */
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
