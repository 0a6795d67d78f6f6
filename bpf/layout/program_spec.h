/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * program_spec.h - what a set of programs is made for, and the values of the
 * maps that core shares with it.
 *
 * Core fills in struct tg_spec before it loads the programs.  The verifier then
 * knows its members as constants, and drops what an image of this kind can never
 * need.  An image that needs more gets a wider set of programs.
 */
#ifndef TG_BPF_LAYOUT_PROGRAM_SPEC_H
#define TG_BPF_LAYOUT_PROGRAM_SPEC_H

#include <linux/bpf.h>

#include "bpf/layout/image_layout.h"

enum tg_feature {
	TG_FEATURE_MANY = 1 << 0,        /* an operation may have more than 64 terms */
	TG_FEATURE_LOG = 1 << 1,         /* a term may emit events */
	TG_FEATURE_REWRITE = 1 << 2,     /* a term may rewrite */
	TG_FEATURE_PEER = 1 << 3,        /* rewritten connects are remembered */
	TG_FEATURE_LOCAL = 1 << 4,       /* rewritten binds are remembered */
	TG_FEATURE_SENT = 1 << 5,        /* rewritten datagrams are remembered */
	TG_FEATURE_BIND_SOURCE = 1 << 6, /* a term may choose the source */
	TG_FEATURE_SHADOW = 1 << 7,      /* a term may be only counted and logged */
	TG_FEATURE_SOCKOPT = 1 << 8,     /* a term may set socket options */
	TG_FEATURE_SETS = 1 << 9,        /* a term may ask about sets */
	TG_FEATURE_OWN_SETS = 1 << 10,   /* a set may be asked about the address of the socket */
	TG_FEATURE_BALANCE = 1 << 12,    /* a term may choose among backends */
	TG_FEATURE_SERVICES = 1 << 13,   /* a term may ask about services */
	TG_FEATURE_RATES = 1 << 14,      /* a term may ask about a rate */
	TG_FEATURE_STICKY = 1 << 15,     /* a client may stay with its backend */
	TG_FEATURE_PATH = 1 << 16,       /* a term may rewrite a unix socket's path */
	TG_FEATURE_PATH_BACK = 1 << 17,  /* and the path that was asked for is reported */
	TG_FEATURE_PER_NETNS = 1 << 18,  /* a rate may be that of a network namespace */
	TG_FEATURE_TRIAL = 1 << 19,      /* a term may be one of a policy that is a shadow */
	TG_FEATURE_OWNER = 1 << 20,      /* a connect or bind may be judged by who makes it */
};

/*
 * Which operations are refused at errors, in one number: the low half has the bits of
 * those (1 << enum tg_op) for which no image is usable, the high half of those whose
 * caller cannot be known.
 */
#define TG_DENY_UNKNOWN_SHIFT 16

/*
 * What is in force, in one word, which is replaced by one store: the lower half of the
 * generation, and which operations are refused at errors.
 */
#define TG_IN_FORCE(generation, deny) ((__u32)(generation) | (__u64)(deny) << 32)
#define TG_DENY_ON_ERROR(in_force)    ((__u32)((in_force) >> 32))

/*
 * Where the image of a generation is, among `images` slots, a power of two.  As many of the
 * last generations are kept as fit into TG_IMAGES_BYTES, at least two.
 */
#define TG_IMAGE_SLOT(generation, images) ((__u32)(generation) & ((images)-1))
#define TG_MAX_IMAGES                     8u
#define TG_IMAGES_BYTES                   (64u << 20)

/* What a rewrite remembers of a socket, to show the program what it asked for. */
#define TG_FEATURES_REMEMBER (TG_FEATURE_PEER | TG_FEATURE_LOCAL | TG_FEATURE_SENT)

/* Per-CPU copies of the counters: with more processors than this, some share a copy. */
#define TG_MAX_COPIES 16u

struct tg_spec {
	__u32 rows;              /* how many an image may have: the size of its slot */
	__u32 images;            /* slots, a power of two: see TG_IMAGE_SLOT() */
	__u32 slots;             /* a power of two */
	__u32 copies;            /* per-CPU copies of the counters, a power of two */
	__u32 features;          /* enum tg_feature */
	__u32 keys[TG_OP_COUNT]; /* bits, 1 << enum tg_key: the fields that some term may restrict
				  */
	__u32 unix_keys[TG_OP_COUNT]; /* the same for unix sockets */
};

/*
 * Flags of the map of the images.  It is not BPF_F_RDONLY_PROG: such a map cannot be mapped
 * writable, to be filled, and programs count in it how often they pick each backend.
 */
#define TG_IMAGE_MAP_FLAGS BPF_F_MMAPABLE

/* Flags of the map of a live table.  BPF_F_INNER_MAP: tables may differ in their number of rows. */
#define TG_TABLE_MAP_FLAGS (BPF_F_MMAPABLE | BPF_F_INNER_MAP)

/* The state of one slot.  Its hits are elsewhere, in per-CPU copies. */
struct tg_slot {
	__u64 log_until_ns; /* theoretical arrival time of the next event (GCRA) */
	__u64 log_seen;     /* calls that sampling has counted */
	__u64 suppressed;   /* events held back by the rate */
};

/* Hits of one slot in one per-CPU copy: in one cache line, which no other copy shares. */
struct tg_hits {
	__u64 count;
	__u64 last_ns; /* CLOCK_BOOTTIME, in the tick of the last hit; 0: none yet */
};

/* The last look at the clock, by one per-CPU copy. */
struct tg_look {
	__u64 tick; /* jiffies */
	__u64 ns;   /* CLOCK_BOOTTIME, in that tick */
	__u64 pad[6];
};

_Static_assert(sizeof(struct tg_look) == 64, "a cache line");

/* How a call ended. */
enum tg_outcome {
	TG_OUTCOME_PASSED,
	TG_OUTCOME_DENIED,
	TG_OUTCOME_REWRITTEN, /* or a report was changed to what was asked for */
	TG_OUTCOME_ERROR,     /* on_error decided, or what the rule promised was not possible */
	TG_OUTCOME_REFUSED,   /* another program had refused it before, and no rule denies it */
	TG_OUTCOMES,
};

/* Totals of one hook in one per-CPU copy: a cache line. */
struct tg_hook_totals {
	__u64 calls[TG_OUTCOMES];
	__u64 lost;      /* events that found the ring full */
	__u64 evicted;   /* buckets of rates that were replaced by others; all counted for hook 0 */
	__u64 forgotten; /* sticky clients that were replaced by others; likewise */
};

/* Entries of a row of an associative cache: see bpf/hook/assoc_cache.h. */
#define TG_ASSOC_WAYS 4

/*
 * Token buckets of rates, four a row.  Each bucket is for one rule and one group of
 * calls that the rule counts together.  A bucket whose time has passed is as good
 * as none.
 */
#define TG_RATE_ROWS 16384

struct tg_bucket {
	__u64 tag;
	__u64 until_ns; /* theoretical arrival time of the next call (GCRA) */
};

/*
 * Clients that stay with their backends, four a row.  `key` is the one by which the
 * client's backend was first chosen, so that simultaneous calls choose the same
 * backend; `seed` is the seed of the backend that the client has.
 */
#define TG_STICKY_ROWS 16384

struct tg_client {
	__u64 tag;
	__u64 until_ns;
	__u64 key;
	__u64 seed;
};

struct tg_asked_addr {
	__u32 addr_be[4];
	__u32 port_be;
};

/*
 * A rewritten call, so that the address that the kernel reports can be rewritten
 * back.  It holds as long as the kernel reports final_*.  Addresses are as in
 * struct tg_term; final_port_be 0: no call was rewritten.
 *
 * `judged` is what the gate has rewritten, and `asked` what the program asked for.  They
 * differ if another gate has rewritten the call before.
 */
struct tg_rewrite {
	struct tg_asked_addr asked;
	struct tg_asked_addr judged;
	__u32 final_addr_be[4];
	__u16 final_port_be;
	__u16 reveal; /* remembered, but not shown */
};

/* Where a call goes, in a form that addresses and paths have in common. */
struct tg_goal {
	__u64 words[3]; /* the last is not 0 */
};

/*
 * What a gate notes with the socket of a call that it has rewritten, for the gates that
 * judge the call after it: see bpf/hook/asked_before.h.  What the program asked for
 * follows.  The first three members are for the others, the rest for the gate itself.
 */
struct tg_note {
	__u64 tick; /* jiffies */
	__u64 at;   /* address of the program in the kernel's array of the call's programs */
	struct tg_goal goal; /* where the gate has redirected the call; zeros: nowhere */
	__u32 hook;          /* of the call: each hook has an array of its own */
	__u32 pad;
	__u64 list; /* address of the kernel's list of what is stored with the socket; 0: unknown */
	__u64 first; /* the first element of that list, when no other gate had a note there */
	__u64 other; /* address of the last note of another gate that was found; 0: none */
};

struct tg_noted {
	struct tg_note note;
	struct tg_asked_addr asked;
};

enum tg_sent_state { TG_SENT_NONE, TG_SENT_BUSY, TG_SENT_READY, TG_SENT_STALE };

/*
 * The rewritten calls of one socket.  Whether the kernel can connect to the
 * rewritten address is not known until the program has run; if it cannot, a
 * datagram socket stays connected as it was before.  So two connects are kept.
 *
 * `sent` is the first destination that datagrams were redirected to, so that a
 * socket that keeps sending there causes no map write.  Any others are in a
 * bounded map, by struct tg_sent_key.
 */
struct tg_origin {
	struct tg_noted noted; /* first, as in all that is looked at by other gates */
	struct tg_rewrite last;
	struct tg_rewrite before;
	struct tg_rewrite sent;
	__u32 sent_state; /* enum tg_sent_state */
	__u32 sent_more;  /* 1: there may be others in the map */
};

/*
 * The rewritten bind of a socket, also for the sockets that it accepts.  If the
 * bind asked for port 0, getsockname shows the real port.
 */
struct tg_local {
	struct tg_noted noted; /* first */
	struct tg_rewrite rewrite;
	__u32 rewritten;
	__u32 port_rewritten;
};

/*
 * The task that made the last connect of an MPTCP socket.  Later the kernel connects the
 * socket to other addresses that the peer announces: that is judged as a call of this task.
 */
struct tg_owner {
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 pad;
	__u64 comm[2]; /* as the kernel writes it */
	__u64 exe[2];  /* device and inode */
};

struct tg_sent_key {
	__u64 cookie; /* of the socket */
	__u32 final_addr_be[4];
	__u32 final_port_be;
	__u32 pad;
};

#define TG_SENT_ROOM 65536

/*
 * The key of what a unix socket had asked for: the socket and the path that the
 * call was rewritten to, so that a socket that sends to several paths is shown
 * each by its own name.  The kernel's hooks do not always see the socket itself,
 * so this cannot be stored with it.  The least recently used entries are
 * forgotten, and then the real path is shown.
 */
struct tg_path_rewrite {
	__u64 cookie; /* of the socket */
	__u64 final[TG_PATH_WORDS];
};

#define TG_PATH_REWRITES 16384

/* The note of a unix socket's call. */
struct tg_path_noted {
	struct tg_note note; /* first */
	struct tg_unix_path asked;
};

#endif
