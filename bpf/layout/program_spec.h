/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * program_spec.h - what a program set is made for, and the maps' values that the core
 * reads.
 *
 * The core fills in struct tg_spec before it loads the programs; the verifier
 * then knows it for constants and drops what an image of this kind can never
 * need.  An image that needs more gets a wider set.
 */
#ifndef TG_BPF_LAYOUT_PROGRAM_SPEC_H
#define TG_BPF_LAYOUT_PROGRAM_SPEC_H

#include "bpf/layout/image_layout.h"

enum tg_feature {
	TG_FEATURE_MANY = 1 << 0,       /* an operation may have more than 64 terms */
	TG_FEATURE_LOG = 1 << 1,        /* a term may emit events */
	TG_FEATURE_REWRITE = 1 << 2,    /* a term may rewrite */
	TG_FEATURE_PEER = 1 << 3,       /* where a connect was turned is remembered */
	TG_FEATURE_LOCAL = 1 << 4,      /* and where a bind was */
	TG_FEATURE_SENT = 1 << 5,       /* and where datagrams were */
	TG_FEATURE_SOURCE = 1 << 6,     /* a term may choose the source */
	TG_FEATURE_SHADOW = 1 << 7,     /* a term may only count and tell */
	TG_FEATURE_SET = 1 << 8,        /* a term may set socket options */
	TG_FEATURE_SETS = 1 << 9,       /* a term may ask about sets */
	TG_FEATURE_OWN_SETS = 1 << 10,  /* about sets of addresses that sockets are bound to */
	TG_FEATURE_BALANCE = 1 << 12,   /* a term may choose among backends */
	TG_FEATURE_SERVICES = 1 << 13,  /* a term may ask about services */
	TG_FEATURE_RATES = 1 << 14,     /* a term may ask about a rate */
	TG_FEATURE_STICKY = 1 << 15,    /* a client may stay with its backend */
	TG_FEATURE_PATH = 1 << 16,      /* a term may rewrite a unix socket's path */
	TG_FEATURE_PATH_BACK = 1 << 17, /* and it is shown as it was asked for */
};

/* What a rewrite remembers of a socket, to show the program what it asked for. */
#define TG_FEATURES_REMEMBER (TG_FEATURE_PEER | TG_FEATURE_LOCAL | TG_FEATURE_SENT)

/* Copies of the counters: where there are more processors, some share one. */
#define TG_MAX_COPIES 16u

struct tg_spec {
	__u32 rows;     /* that an image may have: the size of the map's one value */
	__u32 slots;    /* a power of two */
	__u32 copies;   /* copies of the counters, a power of two */
	__u32 features; /* enum tg_feature */
	__u32 deny_on_error;
	__u32 keys[TG_OPS];      /* bits, 1 << enum tg_key: that some term may restrict */
	__u32 unix_keys[TG_OPS]; /* the same of unix sockets */
};

/*
 * Of the map that holds an image.  A map that programs may only read cannot be
 * mapped to be filled.
 */
#define TG_IMAGE_MAP_FLAGS BPF_F_MMAPABLE

/* Of the map of a live table: they differ in how many rows they have. */
#define TG_TABLE_MAP_FLAGS (BPF_F_MMAPABLE | BPF_F_INNER_MAP)

/* Of one slot.  Hits are kept apart, striped over the processors. */
struct tg_slot {
	__u64 log_until_ns; /* theoretical arrival time of the next event (GCRA) */
	__u64 log_seen;     /* calls that sampling has looked at */
	__u64 suppressed;   /* events held back by the rate */
};

/* Hits of one slot on one stripe; in one cache line, and no other processor's. */
struct tg_hits {
	__u64 count;
	__u64 last_ns; /* CLOCK_BOOTTIME, in the tick of the last; 0: none yet */
};

/* When a stripe last looked at the clock. */
struct tg_look {
	__u64 tick; /* jiffies */
	__u64 ns;   /* CLOCK_BOOTTIME, in that tick */
	__u64 pad[6];
};

_Static_assert(sizeof(struct tg_look) == 64, "a cache line");

/* What became of a call. */
enum tg_outcome {
	TG_OUTCOME_PASSED,
	TG_OUTCOME_DENIED,
	TG_OUTCOME_REWRITTEN, /* or was told of what had been */
	TG_OUTCOME_ERROR,     /* met on_error, or what its rule promised could not be had */
	TG_OUTCOMES,
};

/* Of one hook, on one stripe: a cache line. */
struct tg_hook_totals {
	__u64 calls[TG_OUTCOMES];
	__u64 lost;      /* events that found the ring full */
	__u64 evicted;   /* buckets of rates that made room for others; of hook 0, for all */
	__u64 forgotten; /* clients that made room for others: as evicted */
	__u64 pad;
};

/* Entries of a row of a table that forgets: see bpf/hook/assoc_cache.h. */
#define TG_ASSOC_WAYS 4

/*
 * Buckets of rates: four a row, each for one rule and one of whose calls it
 * counts together.  One whose time is not after now is as good as none.
 */
#define TG_RATE_ROWS 16384

struct tg_bucket {
	__u64 tag;
	__u64 until_ns; /* theoretical arrival time of the next call (GCRA) */
};

/*
 * Clients that stay with their backends: four a row, likewise.  A client has
 * the number by which its backend was chosen first, so that calls that come at
 * once choose the same; and the seed of the one that it has.
 */
#define TG_STICKY_ROWS 16384

struct tg_client {
	__u64 tag;
	__u64 until_ns;
	__u64 key;
	__u64 seed;
};

/*
 * Where a call was turned, so that what the kernel reports can be turned back.
 * It holds for as long as the kernel reports final_*.  Addresses as in struct
 * tg_term; final_port_be 0: nothing was turned.
 */
struct tg_rewrite {
	__u32 asked_addr_be[4];
	__u32 final_addr_be[4];
	__u16 asked_port_be;
	__u16 final_port_be;
	__u32 reveal; /* remembered, but not shown */
};

enum tg_sent_state { TG_SENT_NONE, TG_SENT_BUSY, TG_SENT_READY, TG_SENT_STALE };

/*
 * Of one socket.  Whether the kernel can go where a connect was turned comes
 * out after the program has run; if it cannot, a datagram socket stays
 * connected as it was before.
 *
 * `sent` is the first destination that datagrams were turned to, so that a
 * socket that keeps sending there costs no map write; any others are in a
 * bounded map, by struct tg_sent_key.
 */
struct tg_origin {
	struct tg_rewrite last;
	struct tg_rewrite before;
	struct tg_rewrite sent;
	__u32 sent_state; /* enum tg_sent_state */
	__u32 sent_more;  /* there may be some in the map */
};

/*
 * Of a bound socket, and of those that it accepts.  Where it asked for port 0, it
 * is shown the real one.
 */
struct tg_local {
	struct tg_rewrite rewrite;
	__u32 rewritten;
	__u32 port_rewritten;
};

struct tg_sent_key {
	__u64 cookie; /* of the socket */
	__u32 final_addr_be[4];
	__u32 final_port_be;
	__u32 pad;
};

struct tg_sent {
	__u32 asked_addr_be[4];
	__u32 asked_port_be;
};

#define TG_SENT_ROOM 65536

/*
 * What a unix socket had asked for, by where it was turned: so that one that
 * sends to several places is told each by its own name.  The kernel's hooks do
 * not always see the socket itself, so this cannot be kept with it; the least
 * recently used are forgotten, and then the truth is shown.
 */
struct tg_path_rewrite {
	__u64 cookie; /* of the socket */
	__u64 final[TG_PATH_WORDS];
};

#define TG_PATH_REWRITES 16384

#endif
