/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * backend_layout.h - the layout of a list of backends.
 *
 * A list has choices, eight a row, and backends, two a row.  A choice is what
 * a choice by key reads of a backend: its weight, state and seed.  A
 * backend is where a call may go, and its entry in the list's alias table, for
 * a random choice.  How a backend is chosen is in bpf/engine/pick.h.
 *
 * In an image a list is a block: one row of struct tg_block, the choices, the
 * backends.
 */
#ifndef TG_BPF_LAYOUT_BACKEND_LAYOUT_H
#define TG_BPF_LAYOUT_BACKEND_LAYOUT_H

#include "bpf/layout/table_layout.h"

/* Limits, each with its own error. */
#define TG_MAX_BACKENDS  256u /* a list */
#define TG_MAX_WEIGHT    65535u
#define TG_MAX_STICKY_MS (30u * 86400 * 1000)

/* Numbers after those of the live tables: the rows of the image in a slot, for its lists. */
#define TG_IMAGE_TABLE(slot)  (TG_MAX_TABLES + (slot))
#define TG_TABLE_IMAGE(table) ((table)-TG_MAX_TABLES)

/*
 * The extent of a list: how many backends, and whether their weights differ.
 * Every reference to a list carries its extent, so that a random choice reads
 * one line of memory and no more: with very many lists each line is far away.
 */
#define TG_EXTENT(backends, weighted) ((__u32)(backends) << 1 | (__u32)(weighted))
#define TG_EXTENT_BITS                10
#define TG_EXTENT_BACKENDS(extent)    ((__u32)(extent) >> 1)
#define TG_EXTENT_WEIGHTED(extent)    ((__u32)(extent)&1)

_Static_assert(TG_EXTENT(TG_MAX_BACKENDS, 1) < 1u << TG_EXTENT_BITS, "room for the longest list");

struct tg_block {
	__u32 extent;
	__u32 rule; /* whose list it is */
	__u32 slot; /* of the rule's counters, in the kernel's copy */
	__u32 reserved[13];
};

#define TG_BLOCK_CHOICES  8
#define TG_BLOCK_BACKENDS 2

/*
 * From the lowest bit on: 16 bits of weight, 2 of state, 46 of seed.  The state is an
 * enum tg_backend_state plus 1, so that zeros are no backend.
 */
struct tg_choices {
	__u64 choice[TG_BLOCK_CHOICES];
};

#define TG_CHOICE(seed, state, weight)                                                             \
	((__u64)(seed) << 18 | (__u64)((state) + 1) << 16 | (__u64)(weight))
#define TG_CHOICE_WEIGHT(choice) ((choice)&0xffff)
#define TG_CHOICE_STATE1(choice) ((__u32)((choice) >> 16) & 3)
#define TG_CHOICE_SEED(choice)   ((choice) >> 18)

struct tg_backend {
	__u32 addr_be[4]; /* IPv4 is v4-mapped */
	__u64 picked;     /* how often it was chosen */
	__u32 share;      /* of TG_ALIAS_ONE: its own part of the draws that fall here */
	__u16 port_be;    /* 0: the call keeps its port */
	__u16 alias;      /* the number of the backend that gets the rest; its own: none is up */
};

#define TG_ALIAS_ONE (1u << 31)

_Static_assert(sizeof(struct tg_block) == TG_ROW_BYTES, "a row");
_Static_assert(sizeof(struct tg_choices) == TG_ROW_BYTES, "choices fill a row");
_Static_assert(sizeof(struct tg_backend) * TG_BLOCK_BACKENDS == TG_ROW_BYTES, "they fill a row");

static inline __u32 tg_block_choice_rows(__u32 backends)
{
	return (backends + TG_BLOCK_CHOICES - 1) / TG_BLOCK_CHOICES;
}

static inline __u32 tg_block_rows(__u32 backends)
{
	return 1 + tg_block_choice_rows(backends) +
	       (backends + TG_BLOCK_BACKENDS - 1) / TG_BLOCK_BACKENDS;
}

/* Where a list is in a table: the rows of its first choices, and of its first backends. */
struct tg_list_at {
	__u32 choice_row;
	__u32 backend_row;
};

static inline struct tg_list_at tg_block_at(__u32 block, __u32 extent)
{
	return (struct tg_list_at){block + 1,
				   block + 1 + tg_block_choice_rows(TG_EXTENT_BACKENDS(extent))};
}

/* What a backend is chosen by.  Default: the socket, so an unconnected one keeps its backend. */
enum tg_balance_by {
	TG_BY_RANDOM, /* again for each connect; datagrams by their socket */
	TG_BY_SOCKET,
	TG_BY_PID,
	TG_BY_UID,
	TG_BY_CGROUP,
	TG_BY_NETNS,
	TG_BY_DESTINATION,
	TG_BYS,
};

#endif
