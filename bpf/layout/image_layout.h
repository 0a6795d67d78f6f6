/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * image_layout.h - the layout of a compiled policy.
 *
 * An image is one flat array of 64-byte rows.  The compiler writes it, a file
 * holds it, the kernel and the simulator read it; all four see the same bytes.
 * Nothing in it is a pointer: a reference is the index of a row, so an image
 * works wherever it is mapped.  Integers are in host order unless the name
 * ends in _be; an image of the other byte order has the wrong magic.
 *
 *   row 0        struct tg_image_header   what the programs need
 *   row 1        struct tg_image_about    what people and tools need
 *   then         for each operation that has rules or does not allow:
 *                  struct tg_section
 *                  terms    one row a term, and one more for the default
 *                  rests    what terms do that has no room in a term
 *                  options  the socket options that terms set, one row a rule
 *                  shadows  a bit a term, if some are only counted and logged
 *                  paths    for unix sockets: two rows a boundary
 *                  targets  for unix sockets: two rows a path to rewrite to
 *                  guards   one row a term, if there are more than 64
 *                  for each field that a term restricts:
 *                    tree     a static B-tree: value -> class; a level's rows
 *                             side by side, the root's first, then the trees
 *                             of the low halves
 *                    bitsets  one a class: which terms hold for the class
 *   then         the blob: rule directory and strings
 *   last         the directory of tables, and what they contain at first
 *
 * Parts are in this order and share no rows, except that operations with the
 * same rules share trees and bitsets.
 *
 * A rule is a union of terms; a term is a product of fields: it matches if each
 * of its fields does.  Terms are in the order of their rules, so the first bit
 * set in the AND of the fields' bitsets is the first rule that matches.
 *
 * Reader's contract: check every row index of an image against the number of
 * rows (tg_row() in bpf/engine/tree_search.h).  So a corrupt image can give a
 * wrong verdict, but never cause a read outside itself.
 */
#ifndef TG_BPF_LAYOUT_IMAGE_LAYOUT_H
#define TG_BPF_LAYOUT_IMAGE_LAYOUT_H

#include <linux/types.h>

#include "bpf/layout/enums.h"

#define TG_ROW_BYTES    64
#define TG_IMAGE_MAGIC  0x4554414745444954ull /* "TIDEGATE", little-endian */
#define TG_IMAGE_LAYOUT 4

/* Limits.  Each has its own error for a policy that exceeds it. */
#define TG_MAX_IMAGE_BYTES (256u << 20)
#define TG_MAX_TERMS       16384u     /* an operation; a rule is one or more */
#define TG_MAX_BOUNDARIES  (4u << 20) /* a field */
#define TG_MAX_CLASSES     65536u     /* a field: a leaf holds them as 16 bits */
#define TG_MAX_DEPTH       7          /* inner levels: 8^7 leaves hold 4M boundaries */
#define TG_MAX_PATHS       65535u     /* boundaries between paths, an operation */

/* The hooks whose rules are in the sections of unix sockets: bits, 1 << enum tg_hook. */
#define TG_UNIX_HOOKS                                                                              \
	(1u << TG_HOOK_CONNECT_UNIX | 1u << TG_HOOK_SENDMSG_UNIX | 1u << TG_HOOK_RECVMSG_UNIX |    \
	 1u << TG_HOOK_GETPEERNAME_UNIX | 1u << TG_HOOK_GETSOCKNAME_UNIX)

/*
 * The fields that a term can ask about, each an unsigned key.  An address is
 * looked up in ADDR4 if it is IPv4 or v4-mapped, in ADDR6 otherwise, never in
 * both.  Likewise SOURCE4 and SOURCE6: the address that the socket is bound to, or
 * that a datagram is sent from.  ADDR6, SOURCE6 and COMM are 128-bit keys,
 * big-endian, so that a prefix is an interval; EXE is a device and an inode;
 * NETNS and CGROUP are a cookie and an id, in the high half alone; the rest are
 * 32 bits.  PATH is the rank of a unix socket's path among its section's
 * boundaries: see struct tg_path_key.
 */
enum tg_key {
	TG_KEY_ADDR4,
	TG_KEY_ADDR6,
	TG_KEY_PORT,
	TG_KEY_PROTO,
	TG_KEY_FAMILY,
	TG_KEY_UID,
	TG_KEY_GID,
	TG_KEY_PID,
	TG_KEY_COMM,
	TG_KEY_PATH,
	TG_KEY_TYPE,
	TG_KEY_MARK,
	TG_KEY_DEVICE,
	TG_KEY_SOURCE4,
	TG_KEY_SOURCE6,
	TG_KEY_SOURCE_PORT,
	TG_KEY_EXE,
	TG_KEY_NETNS,
	TG_KEY_CGROUP,
	TG_KEYS,
	TG_KEY_RARE = TG_KEY_TYPE, /* the rare fields start here: see bpf/hook/rare_keys.h */
};

/* The keys of 128 bits: two chained searches of 64. */
#define TG_KEYS_128                                                                                \
	(1u << TG_KEY_ADDR6 | 1u << TG_KEY_COMM | 1u << TG_KEY_SOURCE6 | 1u << TG_KEY_EXE |        \
	 1u << TG_KEY_NETNS | 1u << TG_KEY_CGROUP)

/*
 * A cgroup in a rule means that cgroup and those below it.  The tree of CGROUP
 * contains the ids of all cgroups that the rules name.  A call has the class of
 * the deepest of them that its task is in, or class 0 if it is in none.  So a
 * program looks up the task's ancestor at each depth that has a named cgroup,
 * from the deepest on, until a class is not 0.
 */
#define TG_CGROUP_LEVELS 8

struct tg_image_header {
	__u64 magic;
	__u32 layout;
	__u32 rows; /* of the whole image, header and blob included */
	__u64 generation;
	__u64 checksum;   /* of all rows, with this word and generation taken as 0 */
	__u32 section[8]; /* by enum tg_op: its first row; 0: no rules, let the call pass */
};

enum tg_image_flag {
	TG_IMAGE_SHADOW = 1 << 0, /* the policy is a shadow: all terms have TG_EFFECT_TRIAL */
};

struct tg_image_about {
	__u32 blob_row;
	__u32 blob_bytes;
	__u32 rules;           /* entries of the rule directory at the start of the blob */
	__u32 name;            /* of the policy: offset into the blob */
	__u16 deny_on_error;   /* bits, 1 << enum tg_op: refused if no image is usable */
	__u16 flags;           /* enum tg_image_flag */
	__u32 effects;         /* enum tg_effect that programs carry out, of all terms, ORed */
	__u32 unix_section[8]; /* like section[], for unix sockets */
	__u32 tables;          /* live tables that the rules name */
	__u32 table_row;       /* struct tg_table_entry, one a table */
};

/*
 * A field's search tree, over the upper ends of its elementary intervals.
 *
 * `root` is the row of the root: a leaf if depth is 0.  A node's children are
 * side by side.  Descend by the number of keys that are less than the value (a
 * key is the last value of its interval; unused keys are all ones, so no value
 * ever exceeds them).
 */
struct tg_tree {
	__u32 root;
	__u32 depth;  /* inner levels, at most TG_MAX_DEPTH */
	__u32 bitset; /* row of the first class's bitset */
	__u32 classes;
};

struct tg_node32 { /* 16 children */
	__u32 upper[15];
	__u32 child; /* row of the first */
};

struct tg_leaf32 { /* 11 intervals */
	__u32 upper[10];
	__u16 cls[11];
	__u16 reserved;
};

struct tg_node64 { /* 8 children */
	__u64 upper[7];
	__u32 child;
	__u32 reserved;
};

/*
 * An entry is a class; or, in the tree of the high half of a 128-bit key, the
 * root of the tree that decides by the low half: TG_CHAIN is set, the depth is
 * in bits 28-30, the row in the bits below.
 */
struct tg_leaf64 { /* 6 intervals */
	__u64 upper[5];
	__u32 entry[6];
};

#define TG_CHAIN              0x80000000u
#define TG_CHAIN_DEPTH(entry) (((entry) >> 28) & 7)
#define TG_CHAIN_ROW(entry)   ((entry)&0x0fffffff)

#define TG_WORD_TERMS    64
#define TG_SUMMARY_WORDS (TG_MAX_TERMS / TG_WORD_TERMS / 64)

/*
 * The live sets of an operation are looked up as long as some matching term
 * asks about them.  A set is named by its place in the image's directory of
 * tables; in the kernel's copy of an image by its number in the gate.
 *
 * For a short section, of at most 64 terms, struct tg_set_words says which terms
 * ask about which set.  In a long section each term says it: struct tg_term_rest.
 */
#define TG_SECTION_SETS 32

/* A bit beside the number of a table: the table is one of services, not of addresses. */
#define TG_SET_IS_SERVICES 0x8000u
/* Another: it is asked about the address that the socket is bound to, not the one asked for. */
#define TG_SET_IS_OWN     0x4000u
#define TG_SET_TABLE(set) ((set)&0x3fffu)

struct tg_set_words {
	/* Terms that may be passed by: they ask about sets or rates, or are shadows. */
	__u64 passable;
	__u64 in[TG_SECTION_SETS];  /* terms that match only addresses in the set */
	__u64 out[TG_SECTION_SETS]; /* terms that match only other addresses */
	__u64 rated;                /* terms that match only what exceeds a rate */
	__u64 shadows;
	__u64 pad[5];
};

_Static_assert(sizeof(struct tg_set_words) % TG_ROW_BYTES == 0, "whole rows");

#define TG_SET_WORDS_ROWS (sizeof(struct tg_set_words) / TG_ROW_BYTES)

/*
 * One operation's rules.  `keys` has a bit for each field that some term
 * restricts; only those have a tree and cost anything.
 *
 * `bitset` of a field's tree is the row from which on it is said which terms hold
 * for a class.  With at most 64 terms this is one 64-bit word a class, eight to a
 * row.  With more it is a head a class, eight to a row: see TG_HEAD_BITSET.  Then
 * the terms have guards, too: if one field leaves only a few terms, their guards
 * are looked at, and the trees of the fields in `plain` need not be searched.
 */
struct tg_section {
	__u32 terms;
	__u32 term_row; /* terms + 1 rows: the last is the default */
	__u32 keys;
	__u32 plain;     /* of the keys, those that the guards decide completely */
	__u32 guard_row; /* a struct tg_guard a term; 0 with at most 64 terms */
	__u32 path_row;  /* struct tg_path_key, ascending; for unix sockets, like the next four */
	__u32 paths;
	__u32 path_steps; /* steps of a search among them: 2^path_steps > paths */
	__u32 target_row; /* struct tg_path_target */
	__u32 targets;
	__u32 shadow_row;              /* a bit a term, set if TG_EFFECT_SHADOW; 0: no shadows */
	__u32 levels;                  /* how many of level[] are in use */
	__u32 level[TG_CGROUP_LEVELS]; /* depths of named cgroups, the deepest first; 0: the root */
	struct tg_tree tree[TG_KEYS];
	__u64 summary[TG_SUMMARY_WORDS]; /* the words of a bitset that have terms */
	__u32 sets;                      /* live sets that its terms ask about */
	__u32 set_row;                   /* struct tg_set_words, of a short section; 0: none */
	__u16 set[TG_SECTION_SETS];
	__u32 rated;   /* terms that ask about rates */
	__u32 singles; /* of the keys, those with a class for each single term: TG_HEAD_BITSET */
	__u64 pad[2];
};

_Static_assert(sizeof(struct tg_section) % TG_ROW_BYTES == 0, "a section is whole rows");

#define TG_SECTION_ROWS (sizeof(struct tg_section) / TG_ROW_BYTES)

/*
 * The path of a unix socket, up to 108 bytes, padded with zeros: "/run/x", or,
 * with a zero in front, an abstract name.  So a name and the same name with
 * zeros after it are one path.  Its words are read as big-endian numbers, so
 * that their order is that of the bytes; the four bytes after the 108 are zeros,
 * too.
 */
#define TG_PATH_BYTES 108
#define TG_PATH_WORDS 14

struct tg_unix_path {
	union {
		__u64 words_be[TG_PATH_WORDS];
		__u8 at[TG_PATH_WORDS * 8];
	};
	__u64 bytes; /* the kernel's length, except that a pathname ends before its zero; 0: none */
};

/*
 * A boundary: the first path of an elementary interval.  A path's rank is the
 * number of boundaries up to it.
 */
struct tg_path_key {
	__u64 word[TG_PATH_WORDS];
	__u64 reserved[2];
};

/* A path that a term rewrites to: to_addr_be[0] is its number in the section. */
struct tg_path_target {
	struct tg_unix_path path;
	__u64 reserved;
};

#define TG_PATH_ROWS 2 /* of a boundary, and of a target */

/*
 * A class's head.  If the class has at most four terms, it contains them, 16 bits
 * each, the first term lowest, filled up with TG_HEAD_NONE.  If it has more, the
 * lowest 16 bits are TG_HEAD_BITSET and the upper 32 the row of a struct
 * tg_bitset.
 *
 * For a key in `singles` the last classes are those of a single term each, in
 * the order of the terms, so that their heads follow from their numbers.  Every
 * term has such a class, even if no value falls into it.
 */
#define TG_HEAD_TERMS         4
#define TG_HEAD_NONE          0xffffu
#define TG_HEAD_BITSET        0xfffeu
#define TG_HEAD_TERM(head, i) ((__u32)((head) >> (16 * (i))) & 0xffff)
#define TG_HEAD_ROW(head)     ((__u32)((head) >> 32))
#define TG_HEAD_SINGLE(term)  (~0ull << 16 | (__u16)(term))

/* The keys that may be in `singles`: those of many values, most of which no term asks about. */
#define TG_SINGLES (1u << TG_KEY_ADDR4 | 1u << TG_KEY_ADDR6)

/*
 * A sparse bitset of up to 16,384 terms.  Bit w of the summary says that word
 * w is not zero.  The words that are not zero are one after the other from
 * `word` on, counted in 64-bit words from the start of the image.  `rank[i]`
 * is how many of them come before summary word i.  Up to two are in the row
 * itself, so that most classes cost one cache line.
 */
struct tg_bitset {
	__u64 summary[TG_SUMMARY_WORDS];
	__u16 rank[TG_SUMMARY_WORDS];
	__u32 word;
	__u32 reserved;
	__u64 inplace[2];
};

/*
 * What a term asks about the fields that are one interval, or, for the protocol,
 * one interval and one more value (tcp is MPTCP too).  First and last both
 * belong to the interval.  A field that the term does not restrict, or that is
 * not plain, has the interval of all values.
 */
struct tg_guard {
	__u32 port_first, port_last;
	__u32 proto_first, proto_last, proto_also;
	__u32 family_first, family_last;
	__u32 uid_first, uid_last;
	__u32 gid_first, gid_last;
	__u32 pid_first, pid_last;
	__u32 reserved[3];
};

/* What a term does beside its verb. */
enum tg_effect {
	TG_EFFECT_TO_ADDR = 1 << 0,     /* rewrite the address; for unix sockets the path */
	TG_EFFECT_TO_PORT = 1 << 1,     /* rewrite the port */
	TG_EFFECT_REVEAL = 1 << 2,      /* show the program the final address */
	TG_EFFECT_BIND_SOURCE = 1 << 3, /* connect, or send, from bind_source_* */
	TG_EFFECT_LOG = 1 << 4,         /* emit an event */
	TG_EFFECT_LOW_PORT = 1 << 5,    /* bind needs no CAP_NET_BIND_SERVICE */
	TG_EFFECT_SHADOW = 1 << 6,      /* count and log, then go on as if the rule did not exist */
	TG_EFFECT_SOCKOPT = 1 << 7,     /* set socket options: see options_row */
	TG_EFFECT_LIVE = 1 << 8,        /* the term asks about live sets: see struct tg_term_rest */
	TG_EFFECT_STICKY = 1 << 9,      /* balance: clients stay with their backends: likewise */
	TG_EFFECT_TRIAL = 1 << 10, /* decide, count and log, but let the call proceed as it is */
	TG_EFFECT_RATE = 1 << 11,  /* the term matches only what exceeds its rate: likewise */
	TG_EFFECT_ERRNO = 1 << 12, /* deny: the rule names the errno, so it replaces any other */
	TG_EFFECT_LOG_REFUSED = 1 << 13, /* emit an event if an effect fails, or no backend is up */
};

/* What is left of the effects of a term that has TG_EFFECT_TRIAL. */
#define TG_EFFECTS_TOLD                                                                            \
	(TG_EFFECT_LOG | TG_EFFECT_SHADOW | TG_EFFECT_LIVE | TG_EFFECT_RATE | TG_EFFECT_TRIAL)

/* What to do: one row.  IPv4 addresses are v4-mapped. */
struct tg_term {
	__u32 slot; /* of the rule's counters */
	__u32 rule; /* entry of the rule directory */
	__u8 verb;
	__u8 error; /* of a deny, or of a balance without a backend: the errno, positive */
	__u16 effects;
	__u16 to_port_be;
	__u16 bind_source_port_be; /* 0: any */
	__u32 to_addr_be[4];       /* for unix sockets a number: struct tg_path_target */
	__u32 bind_source_addr_be[4];
	/*
	 * An event is emitted for one call in `log_every`, and, if
	 * log_interval_us is not 0, on average at most one in that time, with
	 * bursts of up to what log_window_s allows.
	 */
	__u32 log_every;
	__u32 log_interval_us;
	__u32 log_window_s;
	__u32 rest_row; /* struct tg_term_rest; 0: the term has none */
};

/* The rest of a term.  A term with TG_EFFECT_LIVE matches only if its sets say so. */
struct tg_term_rest {
	__u32 options_row; /* struct tg_options; 0: none */
	__u32 in_sets;     /* bits: sets of the section that the address must be in */
	__u32 out_sets;    /* bits: sets that it must not be in */
	__u32 rate_per;    /* enum tg_per */
	/* One call in an interval is within the rate, with bursts of up to what a window allows. */
	__u64 rate_interval_ns;
	__u64 rate_window_ns;
	/*
	 * Balance: the row of the list of backends, see backend_layout.h.  It counts from data_row
	 * on, in the kernel's copy from the image's first row.
	 */
	__u32 block;
	__u32 extent;    /* TG_EXTENT() of that list */
	__u32 by;        /* enum tg_balance_by */
	__u32 services;  /* balance: the table that has the list, from 1 on; 0: `block` has it */
	__u32 sticky_by; /* enum tg_balance_by: whose calls stay with one backend */
	__u32 sticky_ms; /* for how long after the last call; 0: not at all */
	__u32 reserved[2];
};

/* Whose calls a rate counts together. */
enum tg_per {
	TG_PER_RULE,
	TG_PER_UID,
	TG_PER_CGROUP,
	TG_PER_PID,
	TG_PER_NETNS,
	TG_PER_ADDRESS,
	TG_PERS,
};

/*
 * A live table, as a policy declares it.  Offsets are as in struct tg_rule_entry.
 * The last entry may be not a live table but the lists of backends of all rules,
 * one after the other: then it has no name, and `count` counts rows.
 */
enum tg_table_kind { TG_TABLE_SET, TG_TABLE_BLOCKS, TG_TABLE_SERVICES };

struct tg_table_entry {
	__u32 kind; /* enum tg_table_kind */
	__u32 name;
	__u32 size;     /* how many elements it can hold */
	__u32 data_row; /* struct tg_element, one after the other */
	__u32 count;    /* of these elements */
	__u32 rows;     /* that they take; for services: each is an address and a block */
	__u64 ttl_ms;   /* of elements that are added later without their own; 0: for ever */
	__u32 sized;    /* the policy gives the size: a smaller table will not do */
	__u32 flags;    /* TG_TABLE_READONLY */
	__u64 pad[3];
};

/* An element that a set has at first; IPv4 is v4-mapped, so its length is 96 or more. */
struct tg_element {
	__u64 high, low;
	__u64 ttl_ms; /* 0: for ever */
	__u32 length;
	__u32 reserved;
};

/* Socket options that a term sets: bits of `given`. */
enum tg_option {
	TG_OPTION_MARK = 1 << 0,
	TG_OPTION_PRIORITY = 1 << 1,
	TG_OPTION_TOS = 1 << 2,
	TG_OPTION_DEVICE = 1 << 3,
	TG_OPTION_KEEPALIVE = 1 << 4,
	TG_OPTION_KEEPIDLE = 1 << 5,
	TG_OPTION_KEEPINTVL = 1 << 6,
	TG_OPTION_KEEPCNT = 1 << 7,
	TG_OPTION_CONGESTION = 1 << 8,
	TG_OPTIONS_ALL = (1 << 9) - 1,
};

struct tg_options {
	__u32 given; /* enum tg_option */
	__u32 mark;
	__u32 priority;
	__u32 tos;
	__u32 keepalive;
	__u32 keepidle;
	__u32 keepintvl;
	__u32 keepcnt;
	__u8 device[16];
	__u8 congestion[16];
};

/* The blob starts with these, one a rule, in policy order.  Offsets are into the blob. */
struct tg_rule_entry {
	__u32 name;
	__u32 where; /* "file:line" */
	__u32 text;  /* the rule as Lua */
	__u32 message;
	__u32 slot;
	__u32 ops; /* bits, 1 << enum tg_op */
	__u32 verb;
	__u32 flags; /* TG_ENTRY_* */
};

/* The name has several addresses, and the rule uses the first. */
#define TG_ENTRY_TO_IS_FIRST     1
#define TG_ENTRY_SOURCE_IS_FIRST 2
#define TG_ENTRY_FLAGS           3

#endif
