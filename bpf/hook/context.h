/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * context.h - a socket call, from the context that the kernel gives.
 *
 * The context wants whole 32-bit reads: a compiler that narrows one to its low
 * half is refused by the verifier, hence the volatile.
 */
#ifndef TG_BPF_HOOK_CONTEXT_H
#define TG_BPF_HOOK_CONTEXT_H

#include "bpf/hook/addr.h"
#include "bpf/hook/maps.h"
#include "bpf/engine/features.h"
#include "bpf/engine/match.h"
#include "bpf/hook/rate_bucket.h"
#include "bpf/hook/table_row.h"

#define AF_INET       2
#define AF_INET6      10
#define IPPROTO_TCP   6
#define IPPROTO_MPTCP 262

#define TG_READ(field) (*(volatile __u32 *)&(field))

struct tg_call {
	struct bpf_sock_addr *ctx;
	enum tg_hook hook;
	enum tg_op op;
	__u32 addr_be[4]; /* asked for; IPv4 is v4-mapped */
	__u32 port_be;
	struct tg_view view;
};

/*
 * A mask, not a row of comparisons: clang 14 keeps those from being folded
 * (BPFAdjustOpt), and both families' code would stay in every program.
 */
#define TG_HOOKS4                                                                                  \
	(1u << TG_HOOK_BIND4 | 1u << TG_HOOK_CONNECT4 | 1u << TG_HOOK_SENDMSG4 |                   \
	 1u << TG_HOOK_RECVMSG4 | 1u << TG_HOOK_GETPEERNAME4 | 1u << TG_HOOK_GETSOCKNAME4)

static __always_inline int tg_hook_is4(enum tg_hook hook)
{
	return TG_HOOKS4 >> hook & 1;
}

/* tg_is_mapped() without a branch: the verifier goes on with one number, not with two. */
static __always_inline __u32 tg_mapped_bit(const __u32 addr_be[4])
{
	return tg_is_zero(addr_be[0] | addr_be[1] | (addr_be[2] ^ TG_MAPPED_BE));
}

/* Where a call goes in the end. */
struct tg_target {
	__u32 addr_be[4];
	__u16 port_be;
	__u16 error; /* no backend was there to go to: the errno, positive */
};

static __always_inline void tg_call_read(struct tg_call *call)
{
	struct bpf_sock_addr *ctx = call->ctx;

	if (tg_hook_is4(call->hook)) {
		call->addr_be[0] = 0;
		call->addr_be[1] = 0;
		call->addr_be[2] = TG_MAPPED_BE;
		call->addr_be[3] = TG_READ(ctx->user_ip4);
	} else {
		call->addr_be[0] = TG_READ(ctx->user_ip6[0]);
		call->addr_be[1] = TG_READ(ctx->user_ip6[1]);
		call->addr_be[2] = TG_READ(ctx->user_ip6[2]);
		call->addr_be[3] = TG_READ(ctx->user_ip6[3]);
	}
	call->port_be = TG_READ(ctx->user_port);
}

/* An IPv4 hook takes the last word: whoever compiled the image saw that it is mapped. */
static __always_inline void tg_call_write_addr(const struct tg_call *call, const __u32 addr_be[4])
{
	struct bpf_sock_addr *ctx = call->ctx;

	if (tg_hook_is4(call->hook)) {
		ctx->user_ip4 = addr_be[3];
	} else {
		ctx->user_ip6[0] = addr_be[0];
		ctx->user_ip6[1] = addr_be[1];
		ctx->user_ip6[2] = addr_be[2];
		ctx->user_ip6[3] = addr_be[3];
	}
}

/*
 * MPTCP connects by a subflow that says TCP; its parent tells.  Not static, so
 * that the verifier goes on with one unknown number, not with each of two.
 */
__attribute__((noinline)) __u32 tg_call_proto(struct bpf_sock_addr *ctx)
{
	__u32 proto = TG_READ(ctx->protocol);

	if (proto == IPPROTO_TCP && ctx->sk && bpf_skc_to_mptcp_sock(ctx->sk))
		proto = IPPROTO_MPTCP;
	return proto;
}

#define TG_OPS_GOING (1u << TG_OP_CONNECT | 1u << TG_OP_SENDMSG)

/* The IPv4 address that the socket is bound to; 0: none.  Not static: see tg_call_proto(). */
__attribute__((noinline)) __u32 tg_call_own4(struct bpf_sock_addr *ctx)
{
	return ctx->sk ? ctx->sk->src_ip4 : 0;
}

#define TG_LOOPBACK_BE bpf_htonl(TG_LOOPBACK4)

/*
 * Where a connect to 0.0.0.0 goes is the kernel's choice: to the socket itself
 * if it is bound, but to 127.0.0.1 if what it is bound to is a broadcast or
 * multicast address, which cannot be told from here; to 127.0.0.1 if it is not,
 * but to the address of a device that it was told to leave by.  So it is asked
 * for what the call is judged as.
 */
TG_GLOBAL int tg_call_pin4(struct bpf_sock_addr *ctx)
{
	if (!TG_READ(ctx->user_ip4))
		ctx->user_ip4 = tg_call_own4(ctx) ?: TG_LOOPBACK_BE;
	return 0;
}

/*
 * Whether a call may ask for 0.0.0.0, mapped or not, or ::.  Hardly any does,
 * and then nothing has to be called.  The verifier is not told what it means for
 * the address: it would go on with each of two.
 */
static __always_inline int tg_call_may_be_any(const struct tg_call *call)
{
	const __u32 *addr_be = call->addr_be;
	__u32 words = addr_be[0] | addr_be[1] | (addr_be[2] & ~TG_MAPPED_BE) | addr_be[3];

	TG_OPAQUE(words);
	return !words;
}

TG_GLOBAL int tg_call_pin6(struct bpf_sock_addr *ctx)
{
	__u32 words = TG_READ(ctx->user_ip6[0]) | TG_READ(ctx->user_ip6[1]) |
		      (TG_READ(ctx->user_ip6[2]) ^ TG_MAPPED_BE) | TG_READ(ctx->user_ip6[3]);

	if (!words)
		ctx->user_ip6[3] = tg_call_own4(ctx) ?: TG_LOOPBACK_BE;
	return 0;
}

/* A datagram to 0.0.0.0 likewise: it goes to where it is sent from. */
TG_GLOBAL int tg_call_pin_datagram(struct bpf_sock_addr *ctx)
{
	if (!TG_READ(ctx->user_ip4))
		ctx->user_ip4 = TG_READ(ctx->msg_src_ip4) ?: TG_LOOPBACK_BE;
	return 0;
}

/* Whether :: means 127.0.0.1: on a socket that is bound to a mapped address. */
__attribute__((noinline)) __u32 tg_call_bound4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	return sk && !sk->src_ip6[0] && !sk->src_ip6[1] && sk->src_ip6[2] == TG_MAPPED_BE;
}

/* Whether an IPv6 hook's address is one that is judged by what the socket is bound to. */
static __always_inline int tg_context_unspecified(struct bpf_sock_addr *ctx, __u32 third_be)
{
	return !(TG_READ(ctx->user_ip6[0]) | TG_READ(ctx->user_ip6[1]) |
		 (TG_READ(ctx->user_ip6[2]) ^ third_be) | TG_READ(ctx->user_ip6[3]));
}

/* Of connect6, whether it is judged by its IPv4 address; and that. */
TG_GLOBAL int tg_connect6_is4(struct bpf_sock_addr *ctx)
{
	if (tg_context_unspecified(ctx, 0))
		return (int)tg_call_bound4(ctx);
	return !TG_READ(ctx->user_ip6[0]) && !TG_READ(ctx->user_ip6[1]) &&
	       TG_READ(ctx->user_ip6[2]) == TG_MAPPED_BE;
}

TG_GLOBAL __u32 tg_connect6_addr4(struct bpf_sock_addr *ctx)
{
	if (tg_context_unspecified(ctx, TG_MAPPED_BE))
		return tg_call_own4(ctx);
	return TG_READ(ctx->user_ip6[3]);
}

/* Of the others, the IPv4 address where it is 0.0.0.0. */
TG_GLOBAL __u32 tg_connect4_addr4(struct bpf_sock_addr *ctx)
{
	return TG_READ(ctx->user_ip4) ?: tg_call_own4(ctx);
}

TG_GLOBAL __u32 tg_sendmsg4_addr4(struct bpf_sock_addr *ctx)
{
	return TG_READ(ctx->user_ip4) ?: TG_READ(ctx->msg_src_ip4);
}

/*
 * The image takes 0.0.0.0 for 127.0.0.1 and :: for ::1, as the kernel does,
 * but for a bound socket: see tg_call_pin4().
 */
static __always_inline void tg_call_unspecified(const struct tg_call *call, struct tg_keys *keys)
{
	if (!tg_call_may_be_any(call))
		return;
	if (call->hook == TG_HOOK_CONNECT4) {
		keys->addr4 = bpf_ntohl(tg_connect4_addr4(call->ctx));
	} else if (call->hook == TG_HOOK_SENDMSG4) {
		keys->addr4 = bpf_ntohl(tg_sendmsg4_addr4(call->ctx));
	} else if (call->hook == TG_HOOK_CONNECT6) {
		keys->addr4 = bpf_ntohl(tg_connect6_addr4(call->ctx));
		keys->is4 = tg_connect6_is4(call->ctx) & 1;
	}
}

/*
 * What is asked for, as it is judged, as far as the socket decides that: the
 * context has 0.0.0.0 pinned by now.  The rest is tg_target_words()'s.
 */
static __always_inline void tg_call_judged(const struct tg_call *call, __u32 addr_be[4])
{
	struct bpf_sock_addr *ctx = call->ctx;
	__u32 any;

	if (tg_hook_is4(call->hook)) {
		addr_be[3] = TG_READ(ctx->user_ip4);
	} else if (call->hook == TG_HOOK_CONNECT6) {
		addr_be[3] = TG_READ(ctx->user_ip6[3]);
		any = tg_is_zero(addr_be[0] | addr_be[1] | addr_be[2] | addr_be[3]);
		addr_be[2] |= TG_MAPPED_BE & -(any & tg_call_bound4(ctx));
	}
}

/* Of the calling task.  Only what some term asks for is worth a helper call. */
static __always_inline void tg_call_who(__u64 wanted, struct tg_keys *keys)
{
	if (wanted & (1ull << TG_KEY_UID | 1ull << TG_KEY_GID)) {
		__u64 ids = bpf_get_current_uid_gid();

		keys->uid = (__u32)ids;
		keys->gid = ids >> 32;
	}
	if (wanted & (1ull << TG_KEY_PID))
		keys->pid = bpf_get_current_pid_tgid() >> 32;
	if (wanted & (1ull << TG_KEY_COMM)) {
		__u64 comm[2] = {}; /* Linux 6.1 writes nothing behind the NUL */

		bpf_get_current_comm(comm, sizeof(comm));
		keys->comm[0] = bpf_be64_to_cpu(comm[0]);
		keys->comm[1] = bpf_be64_to_cpu(comm[1]);
	}
}

static __always_inline void tg_call_keys(const struct tg_call *call, __u64 wanted,
					 struct tg_keys *keys)
{
	const __u32 *addr_be = call->addr_be;

	keys->is4 = tg_hook_is4(call->hook) | tg_mapped_bit(addr_be);
	keys->addr4 = bpf_ntohl(addr_be[3]);
	if (TG_OPS_GOING >> call->op & 1)
		tg_call_unspecified(call, keys);
	/* Trees take one for the other; tables do not. */
	if (TG_SETS && (TG_OPS_GOING >> call->op & 1))
		keys->addr4 |= TG_LOOPBACK4 & -tg_is_zero(keys->addr4);
	if (wanted & (1ull << TG_KEY_ADDR6) || TG_SETS || TG_RATES) {
		keys->addr6[0] = (__u64)bpf_ntohl(addr_be[0]) << 32 | bpf_ntohl(addr_be[1]);
		keys->addr6[1] = (__u64)bpf_ntohl(addr_be[2]) << 32 | bpf_ntohl(addr_be[3]);
	}
	if (TG_SETS && (TG_OPS_GOING >> call->op & 1))
		keys->addr6[1] |= tg_is_zero(keys->addr6[0] | keys->addr6[1]);
	keys->port = bpf_ntohs(call->port_be);
	keys->family = tg_hook_is4(call->hook) ? AF_INET : AF_INET6;
	if (wanted & (1ull << TG_KEY_PROTO) || TG_SERVICES)
		keys->proto = tg_call_proto(call->ctx);
	tg_call_who(wanted, keys);
}

/* Of the rare fields the classes, not the values: see rare_keys.h. */
#define TG_RARE_KEYS (~0ull << TG_KEY_RARE)

static TG_SUBPROGRAM int tg_rare_classify(struct bpf_sock_addr *ctx, __u32 what,
					  const struct tg_view *view,
					  const struct tg_section *section, struct tg_keys *keys);

static TG_SUBPROGRAM int tg_own_sets(struct bpf_sock_addr *ctx, __u32 what,
				     const struct tg_section *section, struct tg_keys *keys);

/* Hook and operation in one: a subprogram takes five arguments. */
#define TG_WHAT(hook, op)  ((hook) | (op) << 8)
#define TG_WHAT_HOOK(what) ((what)&0xff)
#define TG_WHAT_OP(what)   ((what) >> 8)

/* The image in force.  It stays while the program runs, whatever is published. */
static __always_inline int tg_image_view(struct tg_view *view)
{
	__u32 zero = 0;
	void *map = bpf_map_lookup_elem(&tg_image, &zero);

	view->rows = map ? bpf_map_lookup_elem(map, &zero) : 0;
	return view->rows ? 0 : -TG_EFAULT;
}

/* What decides; its term is NULL where nothing is said about the operation. */
static __always_inline int tg_call_decide(struct tg_call *call, struct tg_found *found)
{
	__u64 wanted = tg_spec.keys[call->op];
	struct tg_keys keys = {};
	const struct tg_section *section;
	struct tg_view view; /* not call->view: what is lent to a subprogram is no constant */
	int err = tg_image_view(&call->view);

	found->term = 0;
	found->shadows = TG_NO_SHADOWS;
	if (err)
		return err;
	view = call->view;
	err = tg_find_section(&view, call->op, &section);
	if (err || !section)
		return err;
	tg_call_keys(call, wanted, &keys);
	if (wanted & TG_RARE_KEYS)
		err = tg_rare_classify(call->ctx, TG_WHAT(call->hook, call->op), &view, section,
				       &keys);
	if (!err && TG_OWN_SETS)
		err = tg_own_sets(call->ctx, TG_WHAT(call->hook, call->op), section, &keys);
	if (err)
		return err;
	return tg_match(&view, section, &keys, wanted, found);
}

#endif
