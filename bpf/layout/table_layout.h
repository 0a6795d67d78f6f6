/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * table_layout.h - the layout of live tables: sets of addresses.
 *
 * A table is an array of 64-byte rows in a map of its own, mapped by every
 * process that holds the gate.  Processes change it with plain stores, one at
 * a time (they take a lock); programs and the simulator read it meanwhile, and
 * take none.
 *
 * Reader's contract: an entry is read as state, key, state again; it is whole
 * if both states are of one version.  Writer's contract: an entry is in no
 * membership, and so free, while its key changes, and then has another version.
 * So a writer may die at any moment, and no reader ever waits.
 *
 * A row that had no room for an entry says so: `passed` counts the entries
 * that belong to it, or to rows before it, and stand behind it.  A search
 * goes on to the next row, round the end, only where that is not 0.
 */
#ifndef TG_BPF_LAYOUT_TABLE_LAYOUT_H
#define TG_BPF_LAYOUT_TABLE_LAYOUT_H

#include "bpf/engine/tree_search.h"

/* Limits, each with an error of its own. */
#define TG_MAX_TABLES   256u       /* a gate */
#define TG_MAX_SET_SIZE (4u << 20) /* elements */
#define TG_MAX_PASSED   512u       /* rows that a search goes on to, at most */

/* With those of the lists of backends: the image's in force, and that of the one before. */
#define TG_ALL_TABLES (TG_MAX_TABLES + 2)

/*
 * State of an entry: the prefix length, in which of two memberships it is (a
 * set is replaced by building the second while the first counts), a version,
 * and when it expires: in ticks of the monotonic clock, 0: never.
 */
#define TG_ENTRY_LENGTH(state) ((__u32)(state)&0xff)
#define TG_ENTRY_MEMBER_SHIFT  8
#define TG_ENTRY_MEMBERS       (3ull << TG_ENTRY_MEMBER_SHIFT)
#define TG_ENTRY_VERSION_SHIFT 10
#define TG_ENTRY_VERSION       (0x3fffull << TG_ENTRY_VERSION_SHIFT)
#define TG_ENTRY_EXPIRY_SHIFT  24
#define TG_ENTRY_EXPIRY(state) ((state) >> TG_ENTRY_EXPIRY_SHIFT)
#define TG_TICK_SHIFT          20 /* a tick is 2^20 ns, 1.05 ms */

/* Row 0 of a set: what programs read. */
struct tg_set_header {
	__u64 lengths4;    /* bit 32 - n: there are IPv4 prefixes of n bits */
	__u64 lengths6[3]; /* bit 128 - n, likewise */
	__u64 seed;        /* of the hash, a secret: elements may be chosen by an attacker */
	__u32 epoch;       /* times that the set was replaced; odd: the second membership counts */
	__u32 rows4;       /* from TG_SET_ROW on */
	__u32 rows6;       /* behind them */
	__u32 reserved;
};

/* Where the rows of entries start; what is between is the writers'. */
#define TG_SET_ROW 16

#define TG_ENTRIES4 5
#define TG_ENTRIES6 2

struct tg_set_row4 {
	__u64 state[TG_ENTRIES4];
	__u32 addr[TG_ENTRIES4]; /* host order */
	__u32 passed;
};

struct tg_set_row6 {
	__u64 state[TG_ENTRIES6];
	__u64 addr[TG_ENTRIES6][2]; /* high, low: host order */
	__u32 passed;
	__u32 reserved[3];
};

_Static_assert(sizeof(struct tg_set_row4) == TG_ROW_BYTES, "entries fill a row");
_Static_assert(sizeof(struct tg_set_row6) == TG_ROW_BYTES, "entries fill a row");

/* --- Reading what others write --------------------------------------------------- */

#ifdef __bpf__
#define TG_LOAD(place) (*(volatile __typeof__(place) *)&(place))
/* The pointer, not used before `number` is known: what weakly ordered processors keep to. */
#define TG_AFTER(pointer, number)                                                                  \
	({                                                                                         \
		__u64 none_ = (number);                                                            \
		asm volatile("%0 &= 0" : "+r"(none_));                                             \
		(__typeof__(pointer))((const char *)(pointer) + none_);                            \
	})
#else
#define TG_LOAD(place)            __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define TG_AFTER(pointer, number) ((void)(number), (pointer))
#endif

/*
 * A table, for who reads it: a program has its number, and the kernel checks
 * each row; the simulator has it in memory.
 */
#ifdef __bpf__
typedef __u32 tg_table_ref;

#define TG_TABLE(keys, number) (number)
#else
#include <time.h>

struct tg_table_rows {
	const void *rows;
	__u32 count;
};

static inline __u64 tg_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}

#define TG_NOW_NS()            tg_now_ns()
#define TG_SETS                1
#define TG_OWN_SETS            1
#define TG_TABLE(keys, number) (&(keys)->tables[number])

typedef const struct tg_table_rows *tg_table_ref;

static inline const void *tg_table_row(tg_table_ref table, __u64 row)
{
	return table && row < table->count ? (const char *)table->rows + row * TG_ROW_BYTES : 0;
}
#endif

/* --- Hashing ---------------------------------------------------------------------- */

/* 64 bits of which each depends on all of `number` (constants: splitmix64). */
static __always_inline __u64 tg_mix(__u64 number)
{
	number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9ull;
	number = (number ^ (number >> 27)) * 0x94d049bb133111ebull;
	return number ^ (number >> 31);
}

static __always_inline __u64 tg_mix128(__u64 seed, __u64 high, __u64 low)
{
	return tg_mix(tg_mix(high ^ seed) + low);
}

/* A number below `count`, as evenly as the upper half of `hash` is. */
static __always_inline __u32 tg_reduce(__u64 hash, __u32 count)
{
	return (__u32)((hash >> 32) * count >> 32);
}

/* Of a prefix: the row that it belongs to. */
static __always_inline __u32 tg_set_home4(__u64 seed, __u32 addr, __u32 length, __u32 rows)
{
	return tg_reduce(tg_mix(seed ^ addr ^ (__u64)length << 32), rows);
}

static __always_inline __u32 tg_set_home6(__u64 seed, __u64 high, __u64 low, __u32 length,
					  __u32 rows)
{
	return tg_reduce(tg_mix128(seed ^ length, high, low), rows);
}

#endif
