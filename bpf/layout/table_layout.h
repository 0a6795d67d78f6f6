/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * table_layout.h - the layout of live tables: sets of addresses.
 *
 * A table is an array of 64-byte rows in its own map, mapped by every
 * process that holds the gate.  Processes change it with plain stores, one at
 * a time (they take a lock); programs and the simulator read it meanwhile,
 * and take no lock.
 *
 * Reader's contract: read an entry as state, key, state again; it is whole if
 * both states have one version.  Writer's contract: while its key changes, an
 * entry is in no membership, and so free; afterwards it has another version.
 * So a writer may die at any moment, and no reader ever waits.
 *
 * A row that had no room for an entry says so: `passed` counts the entries
 * that belong to it, or to rows before it, and are in rows after it.  A search
 * goes on to the next row, and from the last to the first, only if `passed` is
 * not 0.
 */
#ifndef TG_BPF_LAYOUT_TABLE_LAYOUT_H
#define TG_BPF_LAYOUT_TABLE_LAYOUT_H

#include "bpf/layout/image_layout.h"

/* Limits, each with its own error. */
#define TG_MAX_TABLES   256u       /* a gate */
#define TG_MAX_SET_SIZE (4u << 20) /* elements */
#define TG_MAX_PASSED   512u       /* rows that a search goes on to, at most */

/*
 * State of an entry: the prefix length; in which of two memberships it is (to
 * replace a set, the second is built while the first counts); a version; and
 * when it expires, in ticks of CLOCK_BOOTTIME (0: never).
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
	__u32 epoch; /* how often the set has been replaced; odd: the second membership counts */
	__u32 rows4; /* from TG_SET_ROW on */
	__u32 rows6; /* after them */
	__u32 reserved;
};

/* The first row of entries; the rows between the header and this one are the writers'. */
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

#endif
