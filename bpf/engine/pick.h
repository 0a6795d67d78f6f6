/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * pick.h - which backend of a list a call goes to.
 *
 * A choice by key uses the highest random weight: each backend gets a number
 * that follows from the call's key and from the backend's address, and the best
 * number wins.  So a choice depends neither on the order nor on the history of
 * the list, and when one of n backends is added or removed, one call in n goes
 * elsewhere.  If a client must stay with a backend, that backend wins over all
 * others: see bpf/hook/sticky.h.
 *
 * A random choice uses the alias method instead (Walker 1974, Vose 1991), which
 * reads one backend or two.  A draw falls on any backend with equal
 * probability, and goes to it or to its alias, in such proportions that each
 * backend gets its share of the calls.
 */
#ifndef TG_BPF_ENGINE_PICK_H
#define TG_BPF_ENGINE_PICK_H

#include "bpf/engine/features.h"
#include "bpf/engine/hash.h"
#include "bpf/engine/log2.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/backend_layout.h"

/* Only programs count picks: the simulator picks, too, but makes no call. */
#ifdef __bpf__
#define TG_COUNT_PICK(backend) __sync_fetch_and_add(&(backend)->picked, 1)
#else
#define TG_COUNT_PICK(backend) ((void)(backend))
#endif

/* The seed of a backend identifies it: it is the same in every list. */
static __always_inline __u64 tg_backend_seed(__u64 high, __u64 low, __u32 port)
{
	return tg_mix128(0x54494445474154ull ^ port, high, low) >> 18;
}

/* The key of an address and a port, host order; IPv4 is v4-mapped. */
static __always_inline __u64 tg_destination_key(__u64 high, __u64 low, __u32 port)
{
	return tg_mix128(port, high, low);
}

/*
 * Instead of the seed of a backend to stay with: TG_SEED_OF_NONE if there is no
 * such backend, TG_SEED_OF_ANY if there is none and the choice is random.
 */
#define TG_SEED_OF_NONE (~0ull)
#define TG_SEED_OF_ANY  (~1ull)

#define TG_NO_BACKEND (-1)

/* What a choice depends on. */
struct tg_choice_by {
	__u64 key;
	__u64 wanted; /* the seed of the backend to stay with, or one of the above */
};

/* --- By key ----------------------------------------------------------------------------- */

struct tg_pick {
	struct tg_choice_by by;
	__u64 best;   /* the number or the cost of the best backend so far */
	__u64 weight; /* of the best backend so far */
	tg_table_ref table;
	__u32 row;    /* the first row of choices */
	__s32 origin; /* the place of the first backend */
	__s32 found;  /* the number in the list, TG_NO_BACKEND or -TG_EFAULT */
};

/* All ones if a backend may be chosen, else 0. */
static __always_inline __u64 tg_choice_mask(__u64 choice, __u64 better)
{
	return -(tg_is_zero(TG_CHOICE_STATE1(choice) ^ (TG_BACKEND_UP + 1)) & better);
}

/* All ones for the backend to stay with, while it is up or draining, else 0. */
static __always_inline __u64 tg_choice_stays(const struct tg_pick *pick, __u64 choice)
{
	__u64 kept = tg_is_zero((TG_CHOICE_STATE1(choice) - (TG_BACKEND_UP + 1)) >> 1);

	return -(kept & tg_is_zero(TG_CHOICE_SEED(choice) ^ pick->by.wanted));
}

static __always_inline void tg_pick_take(struct tg_pick *pick, __u64 mask, __u32 index, __u64 best)
{
	pick->best ^= (pick->best ^ best) & mask;
	pick->found ^= (pick->found ^ (__s32)index) & (__s32)mask;
}

/* If all weights are equal: the largest number wins. */
static long tg_pick_equal(__u32 step, struct tg_pick *pick)
{
	const struct tg_choices *row = tg_list_row(pick->table, (__u64)pick->row + step);

	if (!row) {
		pick->found = -TG_EFAULT;
		return 1;
	}
	TG_ROLL
	for (__u32 i = 0; i < TG_BLOCK_CHOICES; i++) {
		__u64 choice = TG_LOAD(row->choice[i]);
		__u64 number = tg_mix(pick->by.key ^ TG_CHOICE_SEED(choice));
		__u64 mask = tg_choice_mask(choice, tg_below64(pick->best, number));

		if (TG_STICKY) {
			__u64 stays = tg_choice_stays(pick, choice);

			number |= stays;
			mask |= stays;
		}
		tg_pick_take(pick, mask, step * TG_BLOCK_CHOICES + i, number);
	}
	return 0;
}

/*
 * If weights differ: the least -log2(number) / weight wins.  These costs are
 * exponentially distributed, so each backend has the least cost as often as its
 * weight says.
 */
static long tg_pick_weighted(__u32 step, struct tg_pick *pick)
{
	const struct tg_choices *row = tg_list_row(pick->table, (__u64)pick->row + step);

	if (!row) {
		pick->found = -TG_EFAULT;
		return 1;
	}
	TG_ROLL
	for (__u32 i = 0; i < TG_BLOCK_CHOICES; i++) {
		__u64 choice = TG_LOAD(row->choice[i]), weight = TG_CHOICE_WEIGHT(choice);
		__u64 cost = tg_minus_log2(tg_mix(pick->by.key ^ TG_CHOICE_SEED(choice)));
		__u64 better = tg_below64(cost * pick->weight, pick->best * weight);
		__u64 mask = tg_choice_mask(choice, better);

		if (TG_STICKY) {
			__u64 stays = tg_choice_stays(pick, choice);

			cost &= ~stays;
			mask |= stays;
		}
		tg_pick_take(pick, mask, step * TG_BLOCK_CHOICES + i, cost);
		pick->weight ^= (pick->weight ^ weight) & mask;
	}
	return 0;
}

/* The best backend of all by the key, or the one to stay with. */
static __always_inline void tg_pick_best(struct tg_pick *pick, __u32 extent)
{
	__u32 rows = tg_block_choice_rows(TG_EXTENT_BACKENDS(extent));

	pick->by.key = tg_mix(pick->by.key);
	pick->weight = 1;
	if (TG_EXTENT_WEIGHTED(extent)) {
		pick->best = 1ull << (TG_LOG2_SHIFT + 7);
		TG_LOOP(rows, tg_pick_weighted, pick);
	} else {
		pick->best = 0;
		TG_LOOP(rows, tg_pick_equal, pick);
	}
}

/* --- At random -------------------------------------------------------------------------- */

/* The backend at a place, or NULL.  A place is twice the row, plus 1 for the row's second one. */
static __always_inline struct tg_backend *tg_backend_at(tg_table_ref table, __u32 place)
{
	const char *row = tg_list_row(table, place / TG_BLOCK_BACKENDS);

	if (!row)
		return 0;
	TG_OPAQUE(row); /* else clang adds to it before it is known not to be NULL */
	return (struct tg_backend *)(row + place % TG_BLOCK_BACKENDS * sizeof(struct tg_backend));
}

static __always_inline __u32 tg_alias_place(__u32 backend_row, __u32 extent, __u64 draw)
{
	return backend_row * TG_BLOCK_BACKENDS + tg_reduce(draw, TG_EXTENT_BACKENDS(extent));
}

static __always_inline int tg_alias_is_own(const struct tg_backend *backend, __u64 draw)
{
	return (draw & (TG_ALIAS_ONE - 1)) < TG_LOAD(backend->share);
}

/*
 * The backend that a draw falls on, if the choice is random and the draw is
 * within the backend's own share; else NULL.  Nearly all backends are chosen this
 * way, so this is inlined, and the caller gets the backend, not its place.
 */
static __always_inline struct tg_backend *tg_draw(tg_table_ref table, __u32 backend_row,
						  __u32 extent, struct tg_choice_by by)
{
	__u64 draw = tg_mix(by.key);
	struct tg_backend *backend;

	if (by.wanted != TG_SEED_OF_ANY || !TG_EXTENT_BACKENDS(extent))
		return 0;
	backend = tg_backend_at(table, tg_alias_place(backend_row, extent, draw));
	return backend && tg_alias_is_own(backend, draw) ? backend : 0;
}

/* Like tg_pick(), at random: the place of the backend that the draw falls on, or its alias's. */
static __always_inline int tg_draw_place(tg_table_ref table, __u32 backend_row, __u32 extent,
					 __u64 key)
{
	__u64 draw = tg_mix(key);
	__u32 place = tg_alias_place(backend_row, extent, draw), alias;
	const struct tg_backend *backend;

	if (!TG_EXTENT_BACKENDS(extent))
		return TG_NO_BACKEND;
	backend = tg_backend_at(table, place);
	if (!backend)
		return -TG_EFAULT;
	if (tg_alias_is_own(backend, draw))
		return (int)place;
	alias = backend_row * TG_BLOCK_BACKENDS + TG_LOAD(backend->alias);
	return alias == place ? TG_NO_BACKEND : (int)alias;
}

/* --- Either ----------------------------------------------------------------------------- */

/*
 * The place of the backend in a list that a call goes to: chosen at random, by the
 * call's key, or because the client must stay there.  TG_NO_BACKEND: no backend is
 * up.  -TG_EFAULT: there is no such list.
 */
static __always_inline int tg_pick(tg_table_ref table, struct tg_list_at at, __u32 extent,
				   struct tg_choice_by by)
{
	struct tg_pick pick = {
		.by = by,
		.table = table,
		.row = at.choice_row,
		.origin = (__s32)(at.backend_row * TG_BLOCK_BACKENDS),
		.found = TG_NO_BACKEND,
	};

	if (TG_EXTENT_BACKENDS(extent) > TG_MAX_BACKENDS)
		return -TG_EFAULT;
	if (by.wanted == TG_SEED_OF_ANY)
		return tg_draw_place(table, at.backend_row, extent, by.key);
	tg_pick_best(&pick, extent);
	return pick.found < 0 ? pick.found : pick.origin + pick.found;
}

/* Like tg_pick(), for a list that is a block. */
TG_GLOBAL int tg_block_pick(tg_table_ref table, __u32 block, __u32 extent, __u64 key, __u64 wanted)
{
	if (!TG_BALANCES)
		return TG_NO_BACKEND;
	if (!TG_IS_BLOCKS(table))
		return -TG_EFAULT;
	return tg_pick(table, tg_block_at(block, extent), extent,
		       (struct tg_choice_by){key, wanted});
}

#endif
