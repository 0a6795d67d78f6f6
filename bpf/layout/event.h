/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * event.h - the enums that the programs, the core and its users share, and the
 * record in which a program reports a decision.
 *
 * The part between the public markers becomes part of tidegate.h and of the FFI
 * declarations.
 */
#ifndef TG_BPF_LAYOUT_EVENT_H
#define TG_BPF_LAYOUT_EVENT_H

#include <linux/types.h>

/* public { */

/** How deep a cgroup may lie for a rule to name it; the root is at 0. */
#define TG_CGROUP_DEPTH 32

/** What a user names. */
enum tg_op {
	TG_OP_CONNECT,
	TG_OP_BIND,
	TG_OP_SENDMSG,
	TG_OP_RECVMSG,
	TG_OP_GETPEERNAME,
	TG_OP_GETSOCKNAME,
	TG_OPS,
};

/** Bits, 1 << enum tg_op: the operations that send something to an endpoint. */
enum { TG_OPS_EGRESS = 1 << TG_OP_CONNECT | 1 << TG_OP_SENDMSG };

/** One kernel attach type. */
enum tg_hook {
	TG_HOOK_BIND4,
	TG_HOOK_BIND6,
	TG_HOOK_CONNECT4,
	TG_HOOK_CONNECT6,
	TG_HOOK_CONNECT_UNIX,
	TG_HOOK_SENDMSG4,
	TG_HOOK_SENDMSG6,
	TG_HOOK_SENDMSG_UNIX,
	TG_HOOK_RECVMSG4,
	TG_HOOK_RECVMSG6,
	TG_HOOK_RECVMSG_UNIX,
	TG_HOOK_GETPEERNAME4,
	TG_HOOK_GETPEERNAME6,
	TG_HOOK_GETPEERNAME_UNIX,
	TG_HOOK_GETSOCKNAME4,
	TG_HOOK_GETSOCKNAME6,
	TG_HOOK_GETSOCKNAME_UNIX,
	TG_HOOKS,
};

/** What a rule says, and what happened to a call. */
enum tg_verb {
	TG_VERB_NONE,
	TG_VERB_ALLOW,
	TG_VERB_DENY,
	TG_VERB_REWRITE,
	TG_VERB_BALANCE,
	TG_VERB_OBSERVE, /**< reports the call, and decides nothing */
	TG_VERBS,
};

/** Whether a backend may be picked. */
enum tg_backend_state {
	TG_BACKEND_NONE,
	TG_BACKEND_UP,
	TG_BACKEND_DRAINING, /**< only for sticky clients that it already has */
	TG_BACKEND_DOWN,     /**< never */
};

/** In place of a rule's number: the default of the operation decided. */
#define TG_RULE_DEFAULT 0xffffffff

/**
 * One decision, as the ring buffer holds it.
 *
 * An event belongs to the kernel: it is valid until tg_gate_consume().
 * Addresses are 16 bytes, network order; IPv4 is v4-mapped (::ffff:a.b.c.d).
 * Unix sockets have paths instead; an abstract name starts with a NUL.
 */
struct tg_event {
	__u64 ring;       /**< the kernel's record header, not for reading */
	__u64 time_ns;    /**< CLOCK_MONOTONIC */
	__u64 generation; /**< of the image that decided */
	__u64 cgroup_id;  /**< of the calling task */
	__u64 netns_cookie;
	__u64 socket_cookie; /**< SO_COOKIE; with MPTCP that of the subflow, not of the socket
				itself */
	__u32 pid;           /**< of the process (tgid), in the initial pid namespace */
	__u32 tid;
	__u32 uid; /**< of the initial user namespace */
	__u32 gid;
	__u32 slot;     /**< of the rule's counters */
	__u32 rule;     /**< its number in the policy, or TG_RULE_DEFAULT */
	__u8 hook;      /**< enum tg_hook */
	__u8 verb;      /**< enum tg_verb */
	__u8 family;    /**< of the hook, not of the address: AF_INET, AF_INET6 or AF_UNIX */
	__u8 shadow;    /**< 1: the rule has shadow = true, and the call went on */
	__u16 error;    /**< the errno of a denial, or of a balance without a backend; positive */
	__u16 protocol; /**< IPPROTO_* */
	__u16 asked_port_be;   /**< network order */
	__u16 final_port_be;   /**< network order */
	__u8 comm[16];         /**< of the calling thread, NUL-padded */
	__u8 asked_addr[16];   /**< what the program asked for */
	__u8 final_addr[16];   /**< where the call went; the same if nothing was rewritten */
	__u8 asked_path_bytes; /**< length of asked_path; 0: not a unix socket */
	__u8 final_path_bytes;
	__u8 pad[2];
	__u8 asked_path[108]; /**< NUL-padded */
	__u8 final_path[108];
};

/* } public */

#endif
