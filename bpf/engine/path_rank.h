/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * path_rank.h - reading the parts of an image that only unix sockets use: a
 * path's rank among the boundaries of a section, and the path that a term
 * rewrites to.
 */
#ifndef TG_BPF_ENGINE_PATH_RANK_H
#define TG_BPF_ENGINE_PATH_RANK_H

#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TG_FROM_BE64(word) __builtin_bswap64(word)
#else
#define TG_FROM_BE64(word) (word)
#endif

/* Makes clang read a number from memory again, instead of keeping it on the stack. */
#ifdef __bpf__
#define TG_BARRIER() asm volatile("" ::: "memory")
#else
#define TG_BARRIER()
#endif

#define TG_PATH_STEPS 16 /* 2^16 > TG_MAX_PATHS */

/* 1 if a == b, without a branch. */
static __always_inline __u64 tg_equal64(__u64 a, __u64 b)
{
	__u64 different = a ^ b;

	TG_OPAQUE(different);
	return ~(different | -different) >> 63;
}

/* 1 if the path is below the boundary: the first word that differs decides. */
static __always_inline __u64 tg_path_below(const __u64 path_be[TG_PATH_WORDS],
					   const struct tg_path_key *key)
{
	__u64 below = 0;

	TG_UNROLL
	for (int i = TG_PATH_WORDS - 1; i >= 0; i--) {
		__u64 word;

		TG_BARRIER();
		word = TG_FROM_BE64(path_be[i]);
		below = tg_below64(word, key->word[i]) | (tg_equal64(word, key->word[i]) & below);
	}
	return below;
}

/*
 * The number of boundaries that are not above the path, or -TG_EFAULT if a row
 * is missing.  A binary search without branches, like all searches here: it takes
 * a step if the boundary there is not above the path.
 */
static TG_SUBPROGRAM int tg_path_rank(const struct tg_view *view, __u64 section_row,
				      const __u64 path_be[TG_PATH_WORDS])
{
	const struct tg_section *section = tg_rows(view, section_row, TG_SECTION_ROWS);
	__u64 rank = 0, paths, first;
	__u32 steps;

	if (!section)
		return -TG_EFAULT;
	paths = section->paths;
	first = section->path_row;
	steps = section->path_steps;
	for (__u32 i = 0; i < TG_PATH_STEPS && i < steps; i++) {
		__u64 step = 1ull << ((steps - 1 - i) & (TG_PATH_STEPS - 1));
		__u64 next = rank + step;
		__u64 exists = 1 - tg_below64(paths, next);
		const struct tg_path_key *key =
			tg_rows(view, first + (next - 1) * exists * TG_PATH_ROWS, TG_PATH_ROWS);

		if (!key)
			return -TG_EFAULT;
		rank += step * (exists & (1 - tg_path_below(path_be, key)));
	}
	return (int)rank;
}

/* The path that a term of a section rewrites to, or NULL. */
static __always_inline const struct tg_unix_path *
tg_path_target(const struct tg_view *view, __u64 section_row, const struct tg_term *term)
{
	const struct tg_section *section = tg_rows(view, section_row, TG_SECTION_ROWS);
	const struct tg_path_target *target;

	if (!section)
		return 0;
	target = tg_rows(view,
			 (__u64)section->target_row + (__u64)term->to_addr_be[0] * TG_PATH_ROWS,
			 TG_PATH_ROWS);
	return target ? &target->path : 0;
}

#endif
