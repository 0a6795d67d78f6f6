/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * backend_layout.h - lists of backends, and which one a call goes to.
 *
 * By the highest random weight: each backend has a number that follows from
 * the call's key and from its own address, and the best number wins.  So a
 * choice depends neither on the order nor on the history of the list, and when
 * one of n backends goes or comes, one call in n goes elsewhere.  A backend that
 * a client is to stay with wins before all others: see sticky.h.
 *
 * Where chance decides, a lot is drawn instead, which looks at one backend, or
 * at two: it falls on any of them, and there on that one or on another, so often
 * that each gets its share (the alias method: Walker 1974, Vose 1991).
 */
#ifndef TG_BPF_LAYOUT_BACKEND_LAYOUT_H
#define TG_BPF_LAYOUT_BACKEND_LAYOUT_H

#include "bpf/layout/table_layout.h"

/* A program says here, as the verifier knows it, whether there may be any, and any sticky ones. */
#ifndef TG_BALANCES
#define TG_BALANCES 1
#endif
#ifndef TG_STICKY
#define TG_STICKY 1
#endif

/* Limits, each with an error of its own. */
#define TG_MAX_BACKENDS  256u /* a list */
#define TG_MAX_WEIGHT    65535u
#define TG_MAX_STICKY_MS (30u * 86400 * 1000)

/* The number of the table that holds an image's lists: it is made with the image. */
#define TG_BLOCKS_TABLE(generation) (TG_MAX_TABLES + ((__u32)(generation)&1))

/*
 * The extent of a list: how many backends, and whether their weights differ.
 * Whoever leads to a list says that, too, so that a pick by lot reads one line
 * of memory and no more: with very many lists each line is far away.
 */
#define TG_EXTENT(backends, weighted) ((__u32)(backends) << 1 | (__u32)(weighted))
#define TG_EXTENT_BITS                10
#define TG_EXTENT_BACKENDS(extent)    ((__u32)(extent) >> 1)
#define TG_EXTENT_WEIGHTED(extent)    ((__u32)(extent)&1)

_Static_assert(TG_EXTENT(TG_MAX_BACKENDS, 1) < 1u << TG_EXTENT_BITS, "room for the longest list");

/*
 * A list has choices, eight a row, and what they stand for, two a row, which
 * says by itself how lots fall on it.  In an image and its table a list is a
 * block: this row, the choices, the backends.
 */
struct tg_block {
	__u32 extent;
	__u32 rule; /* whose list it is */
	__u32 slot; /* of the rule's counters, in the kernel's copy */
	__u32 reserved[13];
};

#define TG_BLOCK_CHOICES  8
#define TG_BLOCK_BACKENDS 2

/* From the lowest bit on: 16 bits of weight, 2 of state, the seed, which is of 46. */
struct tg_choices {
	__u64 choice[TG_BLOCK_CHOICES];
};

#define TG_CHOICE(seed, state, weight)                                                             \
	((__u64)(seed) << 18 | (__u64)(state) << 16 | (__u64)(weight))
#define TG_CHOICE_WEIGHT(choice) ((choice)&0xffff)
#define TG_CHOICE_STATE(choice)  ((__u32)((choice) >> 16) & 3)
#define TG_CHOICE_SEED(choice)   ((choice) >> 18)

struct tg_backend {
	__u32 addr_be[4]; /* IPv4 is v4-mapped */
	__u64 picked;
	__u32 lot;     /* so many of TG_ALIAS_ONE that fall here are its own */
	__u16 port_be; /* 0: the port stays that of the call */
	__u16 other;   /* the rest are this one's, by its number; itself: no backend is up */
};

#define TG_ALIAS_ONE (1u << 31)

/* The simulator picks, too, but nothing comes of it. */
#ifdef __bpf__
#define TG_COUNT_PICK(backend) __sync_fetch_and_add(&(backend)->picked, 1)
#else
#define TG_COUNT_PICK(backend) ((void)(backend))
#endif

/* The seed of a backend, which is its name, too: it has the same in any list. */
static __always_inline __u64 tg_backend_seed(__u64 high, __u64 low, __u32 port)
{
	return tg_mix128(0x54494445474154ull ^ port, high, low) >> 18;
}

/* In place of the seed of a backend to stay with: there is none, or, moreover, chance decides. */
#define TG_SEED_OF_NONE (~0ull)
#define TG_SEED_OF_ANY  (~1ull)

_Static_assert(sizeof(struct tg_block) == TG_ROW_BYTES, "a row");
_Static_assert(sizeof(struct tg_choices) == TG_ROW_BYTES, "choices fill a row");
_Static_assert(sizeof(struct tg_backend) * TG_BLOCK_BACKENDS == TG_ROW_BYTES, "they fill a row");

static __always_inline __u32 tg_block_choice_rows(__u32 backends)
{
	return (backends + TG_BLOCK_CHOICES - 1) / TG_BLOCK_CHOICES;
}

static __always_inline __u32 tg_block_rows(__u32 backends)
{
	return 1 + tg_block_choice_rows(backends) +
	       (backends + TG_BLOCK_BACKENDS - 1) / TG_BLOCK_BACKENDS;
}

/* Where a list stands in a table: the rows of its first choices, and of its first backends. */
struct tg_list_at {
	__u32 choice_row;
	__u32 backend_row;
};

static __always_inline struct tg_list_at tg_block_at(__u32 block, __u32 extent)
{
	return (struct tg_list_at){block + 1,
				   block + 1 + tg_block_choice_rows(TG_EXTENT_BACKENDS(extent))};
}

/* --- What the choice is made by ------------------------------------------------------- */

/* The socket where nothing else is said: an unconnected one stays with its backend. */
enum tg_balance_by {
	TG_BY_RANDOM, /* each connect anew; datagrams by their socket */
	TG_BY_SOCKET,
	TG_BY_PID,
	TG_BY_UID,
	TG_BY_CGROUP,
	TG_BY_NETNS,
	TG_BY_DESTINATION,
	TG_BYS,
};

/* The key of an address and a port, host order; IPv4 is v4-mapped. */
static __always_inline __u64 tg_destination_key(__u64 high, __u64 low, __u32 port)
{
	return tg_mix128(port, high, low);
}

/* --- log2 ------------------------------------------------------------------------------ */

#define TG_LOG2_SHIFT 30

/* log2(1 + i / 256), by 2^30. */
static const __u32 tg_log2_steps[257] = {
	0,          6039314,    12055174,   18047761,   24017256,   29963836,   35887675,
	41788947,   47667823,   53524472,   59359063,   65171760,   70962728,   76732128,
	82480119,   88206862,   93912511,   99597222,   105261148,  110904440,  116527248,
	122129721,  127712004,  133274244,  138816582,  144339162,  149842124,  155325606,
	160789745,  166234679,  171660541,  177067464,  182455581,  187825021,  193175914,
	198508388,  203822568,  209118580,  214396548,  219656594,  224898839,  230123404,
	235330407,  240519966,  245692198,  250847218,  255985140,  261106077,  266210141,
	271297442,  276368092,  281422197,  286459867,  291481207,  296486323,  301475319,
	306448299,  311405366,  316346620,  321272163,  326182095,  331076513,  335955515,
	340819199,  345667660,  350500993,  355319292,  360122651,  364911162,  369684916,
	374444004,  379188517,  383918542,  388634168,  393335482,  398022572,  402695523,
	407354420,  411999347,  416630388,  421247625,  425851141,  430441017,  435017334,
	439580170,  444129607,  448665721,  453188592,  457698295,  462194908,  466678506,
	471149164,  475606957,  480051959,  484484242,  488903880,  493310944,  497705506,
	502087636,  506457405,  510814882,  515160136,  519493235,  523814248,  528123241,
	532420281,  536705435,  540978767,  545240343,  549490228,  553728485,  557955178,
	562170370,  566374123,  570566499,  574747559,  578917365,  583075977,  587223455,
	591359858,  595485245,  599599675,  603703206,  607795895,  611877800,  615948977,
	620009483,  624059373,  628098702,  632127527,  636145900,  640153876,  644151509,
	648138853,  652115959,  656082880,  660039669,  663986377,  667923055,  671849754,
	675766525,  679673418,  683570481,  687457766,  691335320,  695203192,  699061430,
	702910083,  706749198,  710578822,  714399001,  718209783,  722011213,  725803337,
	729586201,  733359850,  737124328,  740879680,  744625951,  748363183,  752091421,
	755810707,  759521085,  763222597,  766915285,  770599192,  774274358,  777940826,
	781598637,  785247830,  788888448,  792520529,  796144114,  799759243,  803365955,
	806964289,  810554283,  814135978,  817709409,  821274617,  824831638,  828380510,
	831921271,  835453956,  838978604,  842495250,  846003931,  849504683,  852997541,
	856482542,  859959719,  863429109,  866890747,  870344666,  873790901,  877229486,
	880660455,  884083842,  887499680,  890908003,  894308843,  897702233,  901088206,
	904466794,  907838029,  911201944,  914558569,  917907937,  921250079,  924585025,
	927912807,  931233456,  934547002,  937853475,  941152905,  944445323,  947730758,
	951009239,  954280797,  957545460,  960803257,  964054218,  967298370,  970535742,
	973766362,  976990259,  980207461,  983417995,  986621888,  989819169,  993009864,
	996194001,  999371606,  1002542707, 1005707329, 1008865499, 1012017244, 1015162589,
	1018301561, 1021434185, 1024560487, 1027680492, 1030794226, 1033901713, 1037002979,
	1040098049, 1043186948, 1046269699, 1049346328, 1052416858, 1055481314, 1058539720,
	1061592099, 1064638476, 1067678873, 1070713315, 1073741824,
};

/* Left by `bits` where the upper ones are all zeros; tells by how many. */
static __always_inline __u32 tg_shift_up(__u64 *number, __u32 bits)
{
	__u32 by = tg_is_zero(*number >> (64 - bits)) * bits;

	*number <<= by;
	return by;
}

/* -log2(number / 2^64), by 2^30; of 0 as of 1. */
static __always_inline __u64 tg_minus_log2(__u64 number)
{
	__u64 zeros = 0, log;
	__u32 fraction, step;

	number |= tg_is_zero(number);
	zeros += tg_shift_up(&number, 32);
	zeros += tg_shift_up(&number, 16);
	zeros += tg_shift_up(&number, 8);
	zeros += tg_shift_up(&number, 4);
	zeros += tg_shift_up(&number, 2);
	zeros += tg_shift_up(&number, 1);
	fraction = (__u32)(number << 1 >> 32);
	step = fraction >> 24;
	log = (__u64)(tg_log2_steps[step + 1] - tg_log2_steps[step]) * (fraction & 0xffffff) >> 24;
	return ((zeros + 1) << TG_LOG2_SHIFT) - tg_log2_steps[step] - log;
}

/* --- The choice ------------------------------------------------------------------------- */

#define TG_NO_BACKEND (-1)

/* What a choice is made by. */
struct tg_choice_by {
	__u64 key;
	__u64 wanted; /* the seed of the backend to stay with, or one of the above */
};

struct tg_pick {
	struct tg_choice_by by;
	__u64 best;   /* of the one that is best so far: its number, or what it costs */
	__u64 weight; /* and its weight */
	tg_table_ref table;
	__u32 row;    /* of the first choices */
	__s32 origin; /* the place of the first backend */
	__s32 found;  /* the number in the list, TG_NO_BACKEND or -TG_EFAULT */
};

/* All ones where a backend may be chosen, else 0. */
static __always_inline __u64 tg_choice_mask(__u64 choice, __u64 better)
{
	return -(tg_is_zero(TG_CHOICE_STATE(choice) ^ TG_BACKEND_UP) & better);
}

/* All ones for the one to stay with, while it is up or draining, else 0. */
static __always_inline __u64 tg_choice_stays(const struct tg_pick *pick, __u64 choice)
{
	__u64 kept = tg_is_zero((TG_CHOICE_STATE(choice) - TG_BACKEND_UP) >> 1);

	return -(kept & tg_is_zero(TG_CHOICE_SEED(choice) ^ pick->by.wanted));
}

static __always_inline void tg_pick_take(struct tg_pick *pick, __u64 mask, __u32 index, __u64 best)
{
	pick->best ^= (pick->best ^ best) & mask;
	pick->found ^= (pick->found ^ (__s32)index) & (__s32)mask;
}

/* Of equal weights the largest number wins. */
static long tg_pick_equal(__u32 step, struct tg_pick *pick)
{
	const struct tg_choices *row = tg_table_row(pick->table, (__u64)pick->row + step);

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
 * Of others the least -log2(number) / weight: the minimum of exponentially
 * distributed numbers is that of each backend as often as its weight says.
 */
static long tg_pick_weighted(__u32 step, struct tg_pick *pick)
{
	const struct tg_choices *row = tg_table_row(pick->table, (__u64)pick->row + step);

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

/* What stands at a place: twice its row, and one more if it is the second there; or NULL. */
static __always_inline struct tg_backend *tg_backend_at(tg_table_ref table, __u32 place)
{
	const char *row = tg_table_row(table, place / TG_BLOCK_BACKENDS);

	if (!row)
		return 0;
	TG_OPAQUE(row); /* else it is added to before it is known to be there */
	return (struct tg_backend *)(row + place % TG_BLOCK_BACKENDS * sizeof(struct tg_backend));
}

static __always_inline __u32 tg_alias_place(__u32 backend_row, __u32 extent, __u64 lot)
{
	return backend_row * TG_BLOCK_BACKENDS + tg_reduce(lot, TG_EXTENT_BACKENDS(extent));
}

static __always_inline int tg_alias_is_own(const struct tg_backend *backend, __u64 lot)
{
	return (lot & (TG_ALIAS_ONE - 1)) < TG_LOAD(backend->lot);
}

/*
 * The backend that a lot falls on, where chance decides and the lot is its own;
 * else NULL.  Nearly all are chosen so: it is part of the caller, which has the
 * backend at hand then.
 */
static __always_inline struct tg_backend *tg_draw(tg_table_ref table, __u32 backend_row,
						  __u32 extent, struct tg_choice_by by)
{
	__u64 lot = tg_mix(by.key);
	struct tg_backend *backend;

	if (by.wanted != TG_SEED_OF_ANY || !TG_EXTENT_BACKENDS(extent))
		return 0;
	backend = tg_backend_at(table, tg_alias_place(backend_row, extent, lot));
	return backend && tg_alias_is_own(backend, lot) ? backend : 0;
}

/* The place of the backend that a lot falls on, its own or another's; or as tg_pick(). */
static __always_inline int tg_draw_place(tg_table_ref table, __u32 backend_row, __u32 extent,
					 __u64 key)
{
	__u64 lot = tg_mix(key);
	__u32 place = tg_alias_place(backend_row, extent, lot), other;
	const struct tg_backend *backend;

	if (!TG_EXTENT_BACKENDS(extent))
		return TG_NO_BACKEND;
	backend = tg_backend_at(table, place);
	if (!backend)
		return -TG_EFAULT;
	if (tg_alias_is_own(backend, lot))
		return (int)place;
	other = backend_row * TG_BLOCK_BACKENDS + TG_LOAD(backend->other);
	return other == place ? TG_NO_BACKEND : (int)other;
}

/* The best of them all by the key, or the one that is wanted. */
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

/*
 * The place of the backend of a list that a lot falls on, or a key leads to, or
 * that is wanted; TG_NO_BACKEND: none is up; -TG_EFAULT: there is no such list.
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

/* The same of a list that is a block. */
TG_GLOBAL int tg_block_pick(tg_table_ref table, __u32 block, __u32 extent, __u64 key, __u64 wanted)
{
	if (!TG_BALANCES)
		return TG_NO_BACKEND;
	return tg_pick(table, tg_block_at(block, extent), extent,
		       (struct tg_choice_by){key, wanted});
}

#endif
