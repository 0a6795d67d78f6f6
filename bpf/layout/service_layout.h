/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * service_layout.h - the layout of a table of live services, and which backend a VIP has.
 *
 * A hash of VIPs, each with a state word: where the list of its backends
 * stands in the arena, its extent, and a version.  A change writes a new
 * list elsewhere, and then the one word.  A reader reads the word, picks,
 * copies, reads the word again, and starts over where it has changed; what it
 * read meanwhile of rows that somebody else has by now can be anything, but is
 * never outside.
 *
 * The arena is of units: four rows of backends, and, elsewhere, one of their
 * choices.  What is picked is counted where the backend stands; since nothing
 * but backends stands there, a count that comes late falls into a wrong count,
 * but never into a list.
 */
#ifndef TG_BPF_LAYOUT_SERVICE_LAYOUT_H
#define TG_BPF_LAYOUT_SERVICE_LAYOUT_H

#include "bpf/layout/backend_layout.h"
#include "bpf/engine/set_lookup.h"

/* Limits, each with an error of its own. */
#define TG_MAX_SERVICES (1u << 18)

/* A program says here, as the verifier knows it, whether there may be any. */
#ifndef TG_SERVICES
#define TG_SERVICES 1
#endif

/*
 * State of a VIP: the first unit of its list, from 1 on (0: it is free), and the list's extent; a
 * version that moves with the list; and one that moves when a VIP is taken or given up, so that a
 * reader who asks for the VIP alone does not miss one whose backends change.
 */
#define TG_VIP_UNIT(state)  ((__u32)(state)&0x3fffff)
#define TG_VIP_EXTENT_SHIFT 22
#define TG_VIP_EXTENT(state)                                                                       \
	((__u32)((state) >> TG_VIP_EXTENT_SHIFT) & ((1u << TG_EXTENT_BITS) - 1))
#define TG_VIP_VERSION_SHIFT 32
#define TG_VIP_VERSION       (0xffffull << TG_VIP_VERSION_SHIFT)
#define TG_VIP_OWNER_SHIFT   48
#define TG_VIP_OWNER         (0xffffull << TG_VIP_OWNER_SHIFT)

_Static_assert(TG_VIP_EXTENT_SHIFT + TG_EXTENT_BITS <= TG_VIP_VERSION_SHIFT, "beside each other");

/* A unit of the arena: a row of choices, and the rows of as many backends. */
#define TG_UNIT_BACKENDS TG_BLOCK_CHOICES
#define TG_UNIT_ROWS     (TG_UNIT_BACKENDS / TG_BLOCK_BACKENDS)

/* The rows of backends are the first, so that a state alone tells where they stand. */
#define TG_ARENA_ROW              TG_SET_ROW
#define TG_UNIT_BACKEND_ROW(unit) (TG_ARENA_ROW + (unit)*TG_UNIT_ROWS)

/* Row 0 of services: what programs read. */
struct tg_service_header {
	__u64 seed;       /* of the hash */
	__u32 vip_row;    /* the first of VIPs */
	__u32 vip_rows;   /* how many there are */
	__u32 units;      /* of the arena; the first is nobody's */
	__u32 choice_row; /* of the first unit */
	__u32 bitmap_row; /* the writers': a bit a unit */
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
	none = tg_is_zero(TG_VIP_UNIT(before)) |
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
	__u32 first, rows;
	__s32 found; /* a place, TG_NO_SERVICE or -TG_EFAULT */
};

static long tg_vip_step(__u32 step, struct tg_vip_probe *probe)
{
	__u32 at = probe->home + step;
	const struct tg_vip *vip;
	__u64 first, second;

	at = probe->first + (at < probe->rows ? at : at - probe->rows);
	vip = tg_vip_at(probe->table, at * TG_VIPS);
	if (!vip) {
		probe->found = -TG_EFAULT;
		return 1;
	}
	/* No branch tells which of the two: the processor could only guess. */
	first = tg_vip_read(vip, probe->high, probe->low, probe->what);
	second = tg_vip_read(vip + 1, probe->high, probe->low, probe->what);
	if (first | second) {
		probe->found = (__s32)(at * TG_VIPS + (__u32)tg_is_zero(first));
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
	probe.first = header->vip_row;
	probe.rows = header->vip_rows;
	probe.home = tg_vip_home(header->seed, high, low, what, header->vip_rows);
	TG_LOOP(TG_MAX_PASSED + 1, tg_vip_step, &probe);
	return probe.found;
}

/* --- Choosing ------------------------------------------------------------------------- */

struct tg_service_pick {
	__u64 high, low; /* the VIP */
	struct tg_choice_by by;
	tg_table_ref table;
	__u32 what; /* likewise; 0: the list is a block */
	/*
	 * At first where the VIP was seen, or TG_NO_SERVICE; in the end 0, or TG_NO_BACKEND, as
	 * of a VIP that is no more, or -TG_EFAULT.
	 */
	__s32 place;
	__u32 addr_be[4];
	__u32 port_be;
};

/* Where the list of a state stands. */
static __always_inline struct tg_list_at tg_unit_at(const struct tg_service_header *header,
						    __u32 unit)
{
	return (struct tg_list_at){header->choice_row + unit, TG_UNIT_BACKEND_ROW(unit)};
}

/* The place of the backend of such a list: see tg_pick(). */
TG_GLOBAL int tg_state_pick(tg_table_ref table, __u64 state, __u64 key, __u64 wanted)
{
	const struct tg_service_header *header = TG_SERVICES ? tg_table_row(table, 0) : 0;

	if (!header)
		return -TG_EFAULT;
	return tg_pick(table, tg_unit_at(header, TG_VIP_UNIT(state)), TG_VIP_EXTENT(state),
		       (struct tg_choice_by){key, wanted});
}

/* A change every time is a change every microsecond. */
#define TG_SERVICE_TRIES 64

static long tg_service_step(__u32 step, struct tg_service_pick *pick)
{
	const struct tg_vip *vip;
	struct tg_backend *backend;
	int place = pick->place;
	__u64 state;

	(void)step;
	if (place == TG_NO_SERVICE)
		place = tg_vip_find(pick->table, pick->what, pick->high, pick->low);
	vip = place < 0 ? 0 : tg_vip_at(pick->table, (__u32)place);
	if (!vip) {
		pick->place = place == TG_NO_SERVICE ? TG_NO_BACKEND : -TG_EFAULT;
		return 1;
	}
	pick->place = TG_NO_SERVICE;
	state = tg_vip_read(vip, pick->high, pick->low, pick->what);
	if (!state)
		return 0;
	place = 0;
	backend = tg_draw(pick->table, TG_UNIT_BACKEND_ROW(TG_VIP_UNIT(state)),
			  TG_VIP_EXTENT(state), pick->by);
	if (!backend) {
		place = tg_state_pick(pick->table, state, pick->by.key, pick->by.wanted);
		backend = place < 0 ? 0 : tg_backend_at(pick->table, (__u32)place);
	}
	if (backend) {
		pick->addr_be[0] = TG_LOAD(backend->addr_be[0]);
		pick->addr_be[1] = TG_LOAD(backend->addr_be[1]);
		pick->addr_be[2] = TG_LOAD(backend->addr_be[2]);
		pick->addr_be[3] = TG_LOAD(backend->addr_be[3]);
		pick->port_be = TG_LOAD(backend->port_be);
		vip = TG_AFTER(vip, pick->addr_be[0] ^ pick->addr_be[1] ^ pick->addr_be[2] ^
					    pick->addr_be[3] ^ pick->port_be);
	}
	if (TG_LOAD(vip->state) != state)
		return 0;
	if (backend)
		TG_COUNT_PICK(backend);
	pick->place = backend ? 0 : place < 0 ? place : -TG_EFAULT;
	return 1;
}

/* The backend of a VIP that a key leads to. */
static __always_inline void tg_service_choose(struct tg_service_pick *pick)
{
	TG_LOOP(TG_SERVICE_TRIES, tg_service_step, pick);
	if (pick->place == TG_NO_SERVICE)
		pick->place = -TG_EFAULT;
}

/*
 * Where a VIP was seen, and in which table, in one number; 0: it was not.  It
 * need not be there any more.
 */
#define TG_SEEN_TABLE_SHIFT   24
#define TG_SEEN(table, place) ((__u32)(table) << TG_SEEN_TABLE_SHIFT | (__u32)(place))
#define TG_SEEN_PLACE(seen, table)                                                                 \
	((seen) && (seen) >> TG_SEEN_TABLE_SHIFT == (table)                                        \
		 ? (__s32)((seen) & ((1u << TG_SEEN_TABLE_SHIFT) - 1))                             \
		 : TG_NO_SERVICE)

_Static_assert(TG_MAX_SERVICES * 30 < 1u << TG_SEEN_TABLE_SHIFT && TG_MAX_TABLES <= 256,
	       "room for each place of each table");

/* --- As conditions ---------------------------------------------------------------------- */

#define TG_LIVE_SERVICE (1ull << 32)

/*
 * Whether what a call asks for is in a live table: an address in a set, or,
 * with TG_LIVE_SERVICE in `what`, a VIP among services.  Above 0, for a VIP its
 * place; 0; or -TG_EFAULT.
 */
TG_GLOBAL int tg_live_has(tg_table_ref table, __u64 what, __u64 high, __u64 low)
{
	int found;

	if (TG_SERVICES && (what & TG_LIVE_SERVICE)) {
		found = tg_vip_find(table, (__u32)what, high, low);
		return found == TG_NO_SERVICE ? 0 : found;
	}
	if (!high && low >> 32 == 0xffff)
		return tg_set_has4(table, (__u32)low);
	return tg_set_has6(table, high, low);
}

#endif
