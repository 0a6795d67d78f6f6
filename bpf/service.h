/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * service.h - the layout of a table of live services, and which backend a VIP has.
 *
 * A hash of VIPs, each with a state word: the row of its backends' block in
 * the arena behind, and a version.  A change writes a new block elsewhere, and
 * then the one word.  A reader reads the word, picks, copies, reads the word
 * again, and starts over where it has changed; what it read meanwhile of rows
 * that somebody else has by now can be anything, but is never outside.
 *
 * What is picked is counted beside the arena, not in it: a count that comes
 * late falls into a wrong place, but never into a list.
 */
#ifndef TG_SERVICE_H
#define TG_SERVICE_H

#include "balance.h"
#include "set.h"

/* Limits, each with an error of its own. */
#define TG_MAX_SERVICES (1u << 18)

/* A program says here, as the verifier knows it, whether there may be any. */
#ifndef TG_SERVICES
#define TG_SERVICES 1
#endif

/*
 * State of a VIP: the row of its block, among those of the arena, from 1 on (0: it is free); a
 * version that moves with the block; and one that moves when a VIP is taken or given up, so
 * that a reader who asks for the VIP alone does not miss one whose backends change.
 */
#define TG_VIP_BLOCK(state)  ((__u32)(state)&0xffffff)
#define TG_VIP_VERSION_SHIFT 24
#define TG_VIP_VERSION       (0xfffffull << TG_VIP_VERSION_SHIFT)
#define TG_VIP_OWNER_SHIFT   44
#define TG_VIP_OWNER         (0xfffffull << TG_VIP_OWNER_SHIFT)

/* Row 0 of services: what programs read. */
struct tg_service_header {
	__u64 seed;        /* of the hash */
	__u32 rows;        /* of VIPs, from TG_SET_ROW on */
	__u32 arena_row;   /* of blocks */
	__u32 arena_rows;  /* the first of them is no block's */
	__u32 counter_row; /* a counter for each half row of the arena */
	__u32 bitmap_row;  /* the writers': a bit a row of the arena */
	__u32 reserved[9];
};

struct tg_vip {
	__u64 state;
	__u64 addr[2]; /* high, low: host order; IPv4 is v4-mapped */
	__u32 what;    /* see TG_VIP_WHAT() */
	__u32 passed;  /* of the row: in its first VIP */
};

#define TG_VIPS 2 /* a row */

_Static_assert(sizeof(struct tg_service_header) == TG_ROW_BYTES, "a row");
_Static_assert(sizeof(struct tg_vip) * TG_VIPS == TG_ROW_BYTES, "they fill a row");

/* Port and protocol of a VIP, host order.  MPTCP is TCP to those who serve it. */
#define TG_VIP_WHAT(port, proto) ((__u32)(port) << 16 | (__u32)(proto))
#define TG_VIP_PROTO(proto)      ((proto) == 262 ? 6 : (proto))

static __always_inline __u32 tg_vip_home(__u64 seed, __u64 high, __u64 low, __u32 what, __u32 rows)
{
	return tg_reduce(tg_mix128(seed ^ what, high, low), rows);
}

/* Twice its row in the table, and one more for the second there; or NULL. */
static __always_inline const struct tg_vip *tg_vip_at(tg_table_ref table, __u32 place)
{
	const char *row = tg_table_row(table, place / TG_VIPS);

	return row ? (const struct tg_vip *)(row + place % TG_VIPS * sizeof(struct tg_vip)) : 0;
}

/* The state of a VIP if it is the one wanted, all the while, else 0. */
static __always_inline __u64 tg_vip_read(const struct tg_vip *vip, __u64 high, __u64 low,
					 __u32 what)
{
	__u64 before = TG_LOAD(vip->state), differs, after, none;
	const struct tg_vip *again = TG_AFTER(vip, before);

	differs = (TG_LOAD(again->addr[0]) ^ high) | (TG_LOAD(again->addr[1]) ^ low) |
		  (TG_LOAD(again->what) ^ what);
	again = TG_AFTER(vip, differs);
	after = TG_LOAD(again->state);
	none = tg_is_zero(TG_VIP_BLOCK(before)) |
	       !tg_is_zero(differs | ((after ^ before) & TG_VIP_OWNER));
	return before & (none - 1);
}

/* --- Looking up ---------------------------------------------------------------------- */

#define TG_NO_SERVICE (-2)

struct tg_vip_probe {
	__u64 high, low;
	tg_table_ref table;
	__u32 what;
	__u32 home;
	__u32 rows;
	__s32 found; /* a place, TG_NO_SERVICE or -TG_EFAULT */
};

static long tg_vip_step(__u32 step, struct tg_vip_probe *probe)
{
	__u32 at = probe->home + step;
	const struct tg_vip *vip;

	at = TG_SET_ROW + (at < probe->rows ? at : at - probe->rows);
	vip = tg_vip_at(probe->table, at * TG_VIPS);
	if (!vip) {
		probe->found = -TG_EFAULT;
		return 1;
	}
	if (tg_vip_read(vip, probe->high, probe->low, probe->what)) {
		probe->found = (__s32)(at * TG_VIPS);
		return 1;
	}
	if (tg_vip_read(vip + 1, probe->high, probe->low, probe->what)) {
		probe->found = (__s32)(at * TG_VIPS + 1);
		return 1;
	}
	return !TG_LOAD(vip->passed);
}

/* The place of a VIP, TG_NO_SERVICE or -TG_EFAULT. */
TG_GLOBAL int tg_vip_find(tg_table_ref table, __u32 what, __u64 high, __u64 low)
{
	struct tg_vip_probe probe = {
		.high = high, .low = low, .table = table, .what = what, .found = TG_NO_SERVICE};
	const struct tg_service_header *header;

	if (!TG_SERVICES)
		return TG_NO_SERVICE;
	header = tg_table_row(table, 0);
	if (!header)
		return -TG_EFAULT;
	probe.rows = header->rows;
	probe.home = tg_vip_home(header->seed, high, low, what, header->rows);
	TG_LOOP(TG_MAX_PASSED + 1, tg_vip_step, &probe);
	return probe.found;
}

/* Where in the table the block of a state starts. */
TG_GLOBAL __u32 tg_arena_row(tg_table_ref table, __u32 block)
{
	const struct tg_service_header *header = TG_SERVICES ? tg_table_row(table, 0) : 0;

	return header ? header->arena_row + block : ~0u;
}

/* Count a pick, by the place of the backend. */
TG_GLOBAL int tg_service_count(tg_table_ref table, __u32 place)
{
	const struct tg_service_header *header = TG_SERVICES ? tg_table_row(table, 0) : 0;
	const __u64 *row;

	if (!header)
		return -TG_EFAULT;
	place -= header->arena_row * TG_BLOCK_BACKENDS;
	if (place >= header->arena_rows * TG_BLOCK_BACKENDS)
		return -TG_EFAULT;
	row = tg_table_row(table, (__u64)header->counter_row + place / 8);
	if (!row)
		return -TG_EFAULT;
	__sync_fetch_and_add((__u64 *)row + place % 8, 1);
	return 0;
}

/* --- Choosing ------------------------------------------------------------------------- */

struct tg_service_pick {
	__u64 high, low; /* the VIP */
	struct tg_choice_by by;
	tg_table_ref table;
	__u32 what;
	__u32 place;
	__s32 result; /* 0, TG_NO_BACKEND, or -TG_EFAULT; there is no such VIP any more: no backend
		       */
	__u32 addr_be[4];
	__u32 port_be;
};

/* A change every time is a change every microsecond. */
#define TG_SERVICE_TRIES 64

static long tg_service_step(__u32 step, struct tg_service_pick *pick)
{
	int place = tg_vip_find(pick->table, pick->what, pick->high, pick->low);
	const struct tg_backend *backend;
	const struct tg_vip *vip;
	__u64 state;

	(void)step;
	if (place < 0) {
		pick->result = place == TG_NO_SERVICE ? TG_NO_BACKEND : -TG_EFAULT;
		return 1;
	}
	vip = tg_vip_at(pick->table, (__u32)place);
	if (!vip) {
		pick->result = -TG_EFAULT;
		return 1;
	}
	state = tg_vip_read(vip, pick->high, pick->low, pick->what);
	if (!state)
		return 0;
	place = tg_balance_pick(pick->table, tg_arena_row(pick->table, TG_VIP_BLOCK(state)),
				pick->by.key, pick->by.wanted);
	backend = place < 0 ? 0 : tg_backend_at(pick->table, (__u32)place);
	if (backend) {
		pick->addr_be[0] = TG_LOAD(backend->addr_be[0]);
		pick->addr_be[1] = TG_LOAD(backend->addr_be[1]);
		pick->addr_be[2] = TG_LOAD(backend->addr_be[2]);
		pick->addr_be[3] = TG_LOAD(backend->addr_be[3]);
		pick->port_be = TG_LOAD(backend->port_be);
	}
	if (TG_LOAD(vip->state) != state)
		return 0;
	pick->place = (__u32)place;
	pick->result = backend ? 0 : place;
	return 1;
}

/* The backend of a VIP that a key leads to. */
static __always_inline void tg_service_choose(struct tg_service_pick *pick)
{
	pick->result = -TG_EFAULT;
	TG_LOOP(TG_SERVICE_TRIES, tg_service_step, pick);
}

/* --- As conditions ---------------------------------------------------------------------- */

#define TG_LIVE_SERVICE (1ull << 32)

/*
 * Whether what a call asks for is in a live table: an address in a set, or,
 * with TG_LIVE_SERVICE in `what`, a VIP among services.  1, 0 or -TG_EFAULT.
 */
TG_GLOBAL int tg_live_has(tg_table_ref table, __u64 what, __u64 high, __u64 low)
{
	int found;

	if (TG_SERVICES && (what & TG_LIVE_SERVICE)) {
		found = tg_vip_find(table, (__u32)what, high, low);
		return found == -TG_EFAULT ? found : found >= 0;
	}
	if (!high && low >> 32 == 0xffff)
		return tg_set_has4(table, (__u32)low);
	return tg_set_has6(table, high, low);
}

#endif
