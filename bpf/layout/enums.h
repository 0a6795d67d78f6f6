/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * enums.h - the enums that the programs, the core and its users share.
 *
 * The installed tidegate.h contains this file.
 */
#ifndef TG_BPF_LAYOUT_ENUMS_H
#define TG_BPF_LAYOUT_ENUMS_H

/* cdef { */

/** How deep a cgroup may lie for a rule to name it; the root is at 0. */
#define TG_CGROUP_DEPTH 32

/** The bit of an enum's value in a mask: TG_BIT(TG_OP_BIND) for operations, and so on. */
#define TG_BIT(number) (1U << (number))

/** An operation: a kind of call, as rules name it. */
enum tg_op {
	TG_OP_CONNECT,
	TG_OP_BIND,
	TG_OP_SENDMSG,
	TG_OP_RECVMSG,
	TG_OP_GETPEERNAME,
	TG_OP_GETSOCKNAME,
	TG_OP_COUNT,
};

/** How many operations there may ever be: the length of arrays by enum tg_op in public structs. */
#define TG_OP_MAX 16

/** The operations that send something to an endpoint; bits, TG_BIT(enum tg_op). */
enum { TG_OPS_EGRESS = 1 << TG_OP_CONNECT | 1 << TG_OP_SENDMSG };

/** A hook: where the kernel calls a program, for one operation and one family. */
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
	TG_HOOK_COUNT,
};

/** How many hooks there may ever be: the length of arrays by enum tg_hook in public structs. */
#define TG_HOOK_MAX 32

/** What a rule says, and what happened to a call. */
enum tg_verb {
	TG_VERB_NONE,
	TG_VERB_ALLOW,
	TG_VERB_DENY,
	TG_VERB_REWRITE,
	TG_VERB_BALANCE,
	TG_VERB_OBSERVE, /**< reports the call, and decides nothing */
	TG_VERB_COUNT,
};

/** Whether a backend may be picked. */
enum tg_backend_state {
	TG_BACKEND_UP,
	TG_BACKEND_DRAINING, /**< only for sticky clients that it already has */
	TG_BACKEND_DOWN,     /**< never */
};

/** In place of a rule's number: the default of the operation decided. */
#define TG_RULE_DEFAULT 0xffffffff

/** Bits of the flags of struct tg_event. */
enum tg_event_flag {
	TG_EVENT_SHADOW = 1,         /**< the rule has shadow = true, and the call went on */
	TG_EVENT_FAILED = 2,         /**< the call failed, because the kernel refused what the rule
					does, such as its bind_source: `error` says how */
	TG_EVENT_REFUSED_BEFORE = 4, /**< a program of a cgroup below, or one that runs before ours,
					had refused the call already: unless the rule denies, it
					did nothing */
};

/* } cdef */

#endif
