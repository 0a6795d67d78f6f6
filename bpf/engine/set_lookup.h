/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * set_lookup.h - whether an address is in a set.
 *
 * One probe for each prefix length that the set has, the longest first.  A
 * probe reads one row, seldom two, however many elements there are.  An element that
 * has expired does not count: tg_entry_counts().
 */
#ifndef TG_BPF_ENGINE_SET_LOOKUP_H
#define TG_BPF_ENGINE_SET_LOOKUP_H

#include "bpf/engine/features.h"
#include "bpf/engine/hash.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/table_layout.h"

/*
 * Places are random, so that even of a set that is as full as can be, a search of all 129 lengths
 * reads about 650 rows.  Only in a table that somebody has written over does it read more.
 */
#define TG_SET_STEPS 8192

/* In place of a length, before the first one. */
#define TG_SET_BEFORE4 33
#define TG_SET_BEFORE6 129

/* Small, because programs have little stack: the header is read again when it is needed. */
struct tg_set_probe {
	__u64 high, low; /* the address; IPv4 in `low` */
	tg_table_ref table;
	__u32 base; /* the first row of its family */
	__u32 rows;
	__u32 epoch;
	__u32 length; /* of the present prefix */
	__u32 at;     /* the row to look at, among `rows` */
	__s32 found;  /* 1, 0 or -TG_EFAULT */
};

/* The row that a prefix belongs to. */
static __always_inline __u32 tg_set_home4(__u64 seed, __u32 addr, __u32 length, __u32 rows)
{
	return tg_reduce(tg_mix(seed ^ addr ^ (__u64)length << 32), rows);
}

static __always_inline __u32 tg_set_home6(__u64 seed, __u64 high, __u64 low, __u32 length,
					  __u32 rows)
{
	return tg_reduce(tg_mix128(seed ^ length, high, low), rows);
}

static __always_inline int tg_entry_expired(__u64 state)
{
	__u64 expiry = TG_ENTRY_EXPIRY(state);

	return expiry && TG_NOW_NS() >> TG_TICK_SHIFT >= expiry;
}

/* Whether an entry with the wanted key counts; `before` and `after` are the two states read. */
static __always_inline int tg_entry_counts(const struct tg_set_probe *probe, __u64 before,
					   __u64 after)
{
	if ((before ^ after) & TG_ENTRY_VERSION || TG_ENTRY_LENGTH(after) != probe->length)
		return 0;
	if (!(before & TG_ENTRY_MEMBERS) ||
	    !(after >> (TG_ENTRY_MEMBER_SHIFT + (probe->epoch & 1)) & 1))
		return 0;
	return !tg_entry_expired(after);
}

/* The bits of a word for lengths that are shorter than the one whose bit is `place`. */
static __always_inline __u64 tg_shorter(__u64 lengths, __u32 place)
{
	return place < 63 ? lengths >> (place + 1) << (place + 1) : 0;
}

/* --- IPv4 ---------------------------------------------------------------------------- */

static __always_inline __u32 tg_set_prefix4(const struct tg_set_probe *probe)
{
	return (__u32)(probe->low & ~0ull << (32 - probe->length));
}

/* Go to the longest length that is shorter than the present one. 0: there is none. */
static __always_inline int tg_set_next4(const struct tg_set_header *header,
					struct tg_set_probe *probe)
{
	__u64 lengths = TG_LOAD(header->lengths4);

	if (probe->length <= 32)
		lengths = tg_shorter(lengths, 32 - probe->length);
	if (!lengths)
		return 0;
	probe->length = 32 - tg_lowest_bit(lengths);
	probe->at = tg_set_home4(header->seed, tg_set_prefix4(probe), probe->length, probe->rows);
	return 1;
}

/* --- IPv6 ---------------------------------------------------------------------------- */

static __always_inline __u64 tg_set_high6(const struct tg_set_probe *probe)
{
	if (probe->length >= 64)
		return probe->high;
	return probe->length ? probe->high & ~0ull << ((64 - probe->length) & 63) : 0;
}

static __always_inline __u64 tg_set_low6(const struct tg_set_probe *probe)
{
	return probe->length > 64 ? probe->low & ~0ull << ((128 - probe->length) & 63) : 0;
}

/* Like tg_set_next4().  The bit of a length is 128 - length. */
static __always_inline int tg_set_next6(const struct tg_set_header *header,
					struct tg_set_probe *probe)
{
	__u32 place = 128 - probe->length; /* all ones before the first */
	__u64 long_ones = TG_LOAD(header->lengths6[0]), short_ones = TG_LOAD(header->lengths6[1]);

	if (probe->length <= 128 && place < 64)
		long_ones = tg_shorter(long_ones, place);
	else if (probe->length <= 128)
		long_ones = 0;
	if (probe->length <= 64 && probe->length)
		short_ones = tg_shorter(short_ones, place - 64);
	if (long_ones)
		probe->length = 128 - tg_lowest_bit(long_ones);
	else if (probe->length && short_ones)
		probe->length = 64 - tg_lowest_bit(short_ones);
	else if (probe->length && TG_LOAD(header->lengths6[2]))
		probe->length = 0;
	else
		return 0;
	probe->at = tg_set_home6(header->seed, tg_set_high6(probe), tg_set_low6(probe),
				 probe->length, probe->rows);
	return 1;
}

/* --- Steps --------------------------------------------------------------------------- */

static __always_inline int tg_set_next_length(const struct tg_set_header *header,
					      struct tg_set_probe *probe, int is6)
{
	return is6 ? tg_set_next6(header, probe) : tg_set_next4(header, probe);
}

/* Go to the longest length of all. 0: there is none. */
static __always_inline int tg_set_first_length(const struct tg_set_header *header,
					       struct tg_set_probe *probe, int is6)
{
	probe->epoch = TG_LOAD(header->epoch);
	probe->length = is6 ? TG_SET_BEFORE6 : TG_SET_BEFORE4;
	return tg_set_next_length(header, probe, is6);
}

/* The present row does not have the address: go on.  Returns what a step returns. */
static __always_inline long tg_set_go_on(struct tg_set_probe *probe, __u64 passed, int is6)
{
	const struct tg_set_header *header;

	if (passed) { /* an entry of this row is in a later one */
		probe->at = probe->at + 1 < probe->rows ? probe->at + 1 : 0;
		return 0;
	}
	header = tg_table_row(probe->table, 0);
	if (!header)
		return 1;
	if (tg_set_next_length(header, probe, is6))
		return 0;
	/* If the set was replaced meanwhile, its old elements were removed: start again. */
	if (TG_LOAD(header->epoch) != probe->epoch && tg_set_first_length(header, probe, is6))
		return 0;
	probe->found = 0;
	return 1;
}

static long tg_set_step4(__u32 step, struct tg_set_probe *probe)
{
	const struct tg_set_row4 *row = tg_table_row(probe->table, (__u64)probe->base + probe->at);
	__u64 want = tg_set_prefix4(probe), same = 0;

	(void)step;
	if (!row)
		return 1;
	TG_UNROLL
	for (__u32 i = 0; i < TG_ENTRIES4; i++)
		same |= (__u64)tg_is_zero(TG_LOAD(row->addr[i]) ^ want) << i;
	for (__u32 i = 0; i < TG_ENTRIES4 && same; i++) {
		const struct tg_set_row4 *again;
		__u64 before, addr;

		if (!(same >> i & 1))
			continue;
		before = TG_LOAD(row->state[i]);
		again = TG_AFTER(row, before);
		addr = TG_LOAD(again->addr[i]);
		again = TG_AFTER(row, addr);
		if (addr == want && tg_entry_counts(probe, before, TG_LOAD(again->state[i]))) {
			probe->found = 1;
			return 1;
		}
	}
	return tg_set_go_on(probe, TG_LOAD(row->passed), 0);
}

static long tg_set_step6(__u32 step, struct tg_set_probe *probe)
{
	const struct tg_set_row6 *row = tg_table_row(probe->table, (__u64)probe->base + probe->at);
	__u64 want_high = tg_set_high6(probe), want_low = tg_set_low6(probe);

	(void)step;
	if (!row)
		return 1;
	TG_UNROLL
	for (__u32 i = 0; i < TG_ENTRIES6; i++) {
		__u64 before = TG_LOAD(row->state[i]);
		const struct tg_set_row6 *again = TG_AFTER(row, before);
		__u64 high = TG_LOAD(again->addr[i][0]);
		__u64 low = TG_LOAD(again->addr[i][1]);

		again = TG_AFTER(row, high | low);
		if (high == want_high && low == want_low &&
		    tg_entry_counts(probe, before, TG_LOAD(again->state[i]))) {
			probe->found = 1;
			return 1;
		}
	}
	return tg_set_go_on(probe, TG_LOAD(row->passed), 1);
}

/* --- Either -------------------------------------------------------------------------- */

/* Set up the probe of an address at its first row. 0: there is no row to look at. */
static __always_inline int tg_set_begin(struct tg_set_probe *probe, int is6)
{
	const struct tg_set_header *header;

	if (!TG_SETS)
		return 0;
	header = tg_table_row(probe->table, 0);
	if (!header) {
		probe->found = -TG_EFAULT;
		return 0;
	}
	probe->base = TG_SET_ROW + (is6 ? header->rows4 : 0);
	probe->rows = is6 ? header->rows6 : header->rows4;
	if (!tg_set_first_length(header, probe, is6))
		return 0;
	probe->found = -TG_EFAULT; /* unless the search comes to an end */
	return 1;
}

/*
 * 1 if the IPv4 address is in the set, 0 if it is not, -TG_EFAULT if there is no such set.  A set
 * that somebody has written over does not have it: whoever can do that can also empty the set, and
 * must not end the search of the rules, which could let through what others deny.
 */
TG_GLOBAL int tg_set_has4(tg_table_ref table, __u32 addr)
{
	struct tg_set_probe probe = {.low = addr, .table = table};

	if (!tg_set_begin(&probe, 0))
		return probe.found;
	TG_LOOP(TG_SET_STEPS, tg_set_step4, &probe);
	return probe.found > 0;
}

TG_GLOBAL int tg_set_has6(tg_table_ref table, __u64 high, __u64 low)
{
	struct tg_set_probe probe = {.high = high, .low = low, .table = table};

	if (!tg_set_begin(&probe, 1))
		return probe.found;
	TG_LOOP(TG_SET_STEPS, tg_set_step6, &probe);
	return probe.found > 0;
}

#endif
