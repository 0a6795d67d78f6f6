/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * service_layout.h - the layout of a table of live services.
 *
 * A hash of VIPs, each with a state word: where in the arena the list of its
 * backends is, the list's extent, and a version.  A change writes a new list
 * elsewhere, and then the one word.  A reader reads the word, picks, copies,
 * reads the word again, and starts over if it has changed.  Rows that belong to
 * another list by now can give it any content meanwhile, but never lead it
 * outside the table.
 *
 * The arena consists of units: four rows of backends, and, elsewhere, one row of
 * their choices.  A pick is counted in the backend's own row.  Rows of backends
 * are never used for anything else, so a late count may go to a wrong backend,
 * but never damages a list.
 */
#ifndef TG_BPF_LAYOUT_SERVICE_LAYOUT_H
#define TG_BPF_LAYOUT_SERVICE_LAYOUT_H

#include "bpf/layout/backend_layout.h"
#include "bpf/layout/table_layout.h"

/* Limits, each with its own error. */
#define TG_MAX_SERVICES (1u << 18)

/*
 * State of a VIP: the first unit of its list, from 1 on (0: the entry is free); the list's extent;
 * a version that moves with the list; and one that moves when a VIP is added or removed.  The
 * second lets a reader that looks for the VIP alone find it while its backends change.
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

/* The rows of backends come first, so that a state alone gives the rows of its list. */
#define TG_ARENA_ROW              TG_SET_ROW
#define TG_UNIT_BACKEND_ROW(unit) (TG_ARENA_ROW + (unit)*TG_UNIT_ROWS)

/* Row 0 of services: what programs read. */
struct tg_service_header {
	__u64 seed;       /* of the hash */
	__u32 vip_row;    /* the first of VIPs */
	__u32 vip_rows;   /* how many there are */
	__u32 units;      /* of the arena; the first one is never used */
	__u32 choice_row; /* of the first unit */
	__u32 bitmap_row; /* the writers': a bit a unit */
	__u32 wide;       /* 1: some VIPs stand for any port, see TG_VIP_IS_WIDE() */
	__u32 reserved[8];
};

struct tg_vip {
	__u64 state;
	__u64 addr[2]; /* high, low: host order; IPv4 is v4-mapped */
	__u32 what;    /* see TG_VIP_WHAT() */
	__u32 passed;  /* of the row: only in its first VIP */
};

#define TG_VIPS 2 /* a row */

_Static_assert(sizeof(struct tg_service_header) == TG_ROW_BYTES, "a row");
_Static_assert(sizeof(struct tg_vip) * TG_VIPS == TG_ROW_BYTES, "they fill a row");

/*
 * Port and protocol of a VIP, host order.  For a service MPTCP is TCP.  A VIP with
 * port 0 is wide: it stands for any port of its protocol, or of any protocol.  A call
 * is for the VIP that says most.
 */
#define TG_VIP_WHAT(port, proto) ((__u32)(port) << 16 | (__u32)(proto))
#define TG_VIP_PROTO(proto)      ((proto) == 262 ? 6 : (proto))
#define TG_VIP_PORT(what)        ((what) >> 16)
#define TG_VIP_ANY_PORT(what)    ((what)&0xffff)
#define TG_VIP_ANY               0xffffu
#define TG_VIP_IS_WIDE(what)     (!TG_VIP_PORT(what))
#define TG_VIP_COVERS(own, what)                                                                   \
	((own) == (what) || (own) == TG_VIP_ANY_PORT(what) || (own) == TG_VIP_ANY)

#endif
