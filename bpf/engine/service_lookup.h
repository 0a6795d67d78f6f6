/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* service_lookup.h - whether a live service has a VIP, and which backend the VIP gives a call. */
#ifndef TG_BPF_ENGINE_SERVICE_LOOKUP_H
#define TG_BPF_ENGINE_SERVICE_LOOKUP_H

#include "bpf/engine/features.h"
#include "bpf/engine/hash.h"
#include "bpf/engine/pick.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/service_layout.h"

/* The row, counted from the first row of VIPs, at which the search for a VIP starts. */
static __always_inline __u32 tg_vip_home(__u64 seed, __u64 high, __u64 low, __u32 what, __u32 rows)
{
	return tg_reduce(tg_mix128(seed ^ what, high, low), rows);
}

/* The VIP at a place, which is twice its row, plus 1 for the second of the row; or NULL. */
static __always_inline const struct tg_vip *tg_vip_at(tg_table_ref table, __u32 place)
{
	const char *row = tg_table_row(table, place / TG_VIPS);

	return row ? (const struct tg_vip *)(row + place % TG_VIPS * sizeof(struct tg_vip)) : 0;
}

/* The state of a VIP, if it was the wanted one throughout; else 0. */
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
#define TG_NO_EXACT   (-3) /* but some VIPs of the table are wide */

struct tg_vip_probe {
	__u64 high, low;
	tg_table_ref table;
	__u32 what;
	__u32 home;
	__u32 first, rows;
	__s32 found; /* a place, TG_NO_SERVICE or TG_NO_EXACT */
};

static long tg_vip_step(__u32 step, struct tg_vip_probe *probe)
{
	__u32 at = probe->home + step;
	const struct tg_vip *vip;
	__u64 first, second;

	at = probe->first + (at < probe->rows ? at : at - probe->rows);
	vip = tg_vip_at(probe->table, at * TG_VIPS);
	if (!vip)
		return 1; /* somebody has written over the table: as for sets, it has no such VIP */
	/* Do not branch on which of the two it is: the processor could only guess. */
	first = tg_vip_read(vip, probe->high, probe->low, probe->what);
	second = tg_vip_read(vip + 1, probe->high, probe->low, probe->what);
	if (first | second) {
		probe->found = (__s32)(at * TG_VIPS + (__u32)tg_is_zero(first));
		return 1;
	}
	return !TG_LOAD(vip->passed);
}

/*
 * The place of the VIP that says just this; TG_NO_SERVICE; TG_NO_EXACT; or -TG_EFAULT:
 * there is no such table.
 */
TG_GLOBAL int tg_vip_find(tg_table_ref table, __u32 what, __u64 high, __u64 low)
{
	struct tg_vip_probe probe = {.high = high, .low = low, .table = table, .what = what};
	const struct tg_service_header *header;

	if (!TG_SERVICES)
		return TG_NO_SERVICE;
	header = tg_table_row(table, 0);
	if (!header)
		return -TG_EFAULT;
	probe.first = header->vip_row;
	probe.rows = header->vip_rows;
	probe.found = TG_NO_SERVICE - (__s32)(TG_LOAD(header->wide) & 1);
	probe.home = tg_vip_home(header->seed, high, low, what, header->vip_rows);
	TG_LOOP(TG_MAX_PASSED + 1, tg_vip_step, &probe);
	return probe.found;
}

/* The place of the VIP that a call is for, TG_NO_SERVICE or -TG_EFAULT. */
static __always_inline int tg_vip_seek(tg_table_ref table, __u32 what, __u64 high, __u64 low)
{
	int found = tg_vip_find(table, what, high, low);

	if (found == TG_NO_EXACT)
		found = tg_vip_find(table, TG_VIP_ANY_PORT(what), high, low);
	if (found == TG_NO_EXACT)
		found = tg_vip_find(table, TG_VIP_ANY, high, low);
	return found == TG_NO_EXACT ? TG_NO_SERVICE : found;
}

/* --- Choosing ------------------------------------------------------------------------- */

struct tg_service_pick {
	__u64 high, low; /* the VIP */
	struct tg_choice_by by;
	tg_table_ref table;
	__u32 what; /* TG_VIP_WHAT() of the call; 0: the list is a block */
	/*
	 * Before: where the VIP was seen, or TG_NO_SERVICE.  After: 0; TG_NO_BACKEND, also if
	 * the VIP has gone meanwhile, or somebody has written over the table; or -TG_EFAULT: there
	 * is no such table.
	 */
	__s32 place;
	__u32 addr_be[4];
	__u32 port_be;
};

/* What the VIP says that a pick is for, before it is made. */
TG_GLOBAL int tg_service_what(const struct tg_service_pick *pick)
{
	const struct tg_vip *vip;
	int place;

	if (!TG_SERVICES || !pick)
		return 0;
	place = pick->place;
	if (place == TG_NO_SERVICE)
		place = tg_vip_seek(pick->table, pick->what, pick->high, pick->low);
	vip = place < 0 ? 0 : tg_vip_at(pick->table, (__u32)place);
	return (int)(vip ? TG_LOAD(vip->what) : pick->what);
}

/* Where the list is whose first unit this is. */
static __always_inline struct tg_list_at tg_unit_at(const struct tg_service_header *header,
						    __u32 unit)
{
	return (struct tg_list_at){header->choice_row + unit, TG_UNIT_BACKEND_ROW(unit)};
}

/* The place of a backend of the list that a VIP's state refers to: see tg_pick(). */
TG_GLOBAL int tg_state_pick(tg_table_ref table, __u64 state, __u64 key, __u64 wanted)
{
	const struct tg_service_header *header = TG_SERVICES ? tg_table_row(table, 0) : 0;

	if (!header || !TG_IS_LIVE(table))
		return -TG_EFAULT;
	return tg_pick(table, tg_unit_at(header, TG_VIP_UNIT(state)), TG_VIP_EXTENT(state),
		       (struct tg_choice_by){key, wanted});
}

/* To fail all of them, the VIP would have to change every microsecond. */
#define TG_SERVICE_TRIES 64

static long tg_service_step(__u32 step, struct tg_service_pick *pick)
{
	const struct tg_vip *vip;
	struct tg_backend *backend;
	int place = pick->place;
	__u64 state;
	__u32 own;

	(void)step;
	if (place == TG_NO_SERVICE)
		place = tg_vip_seek(pick->table, pick->what, pick->high, pick->low);
	vip = place < 0 ? 0 : tg_vip_at(pick->table, (__u32)place);
	if (!vip) {
		pick->place = place == -TG_EFAULT ? -TG_EFAULT : TG_NO_BACKEND;
		return 1;
	}
	pick->place = TG_NO_SERVICE;
	own = TG_LOAD(vip->what);
	state = tg_vip_read(vip, pick->high, pick->low, own);
	if (!state || !TG_VIP_COVERS(own, pick->what))
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
	/* A list that is not there has no backend that is up. */
	pick->place = backend ? 0 : TG_NO_BACKEND;
	return 1;
}

/* The backend that the VIP gives a call. */
static __always_inline void tg_service_choose(struct tg_service_pick *pick)
{
	TG_LOOP(TG_SERVICE_TRIES, tg_service_step, pick);
	if (pick->place == TG_NO_SERVICE)
		pick->place = TG_NO_BACKEND;
}

/*
 * Where a VIP was seen, and in which table, in one number; 0: it was not seen.  It
 * may have gone since.
 */
#define TG_SEEN_TABLE_SHIFT   24
#define TG_SEEN(table, place) ((__u32)(table) << TG_SEEN_TABLE_SHIFT | (__u32)(place))
#define TG_SEEN_PLACE(seen, table)                                                                 \
	((seen) && (seen) >> TG_SEEN_TABLE_SHIFT == (table)                                        \
		 ? (__s32)((seen) & ((1u << TG_SEEN_TABLE_SHIFT) - 1))                             \
		 : TG_NO_SERVICE)

_Static_assert(TG_MAX_SERVICES * 30 < 1u << TG_SEEN_TABLE_SHIFT && TG_MAX_TABLES <= 256,
	       "room for each place of each table");

#endif
