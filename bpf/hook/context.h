/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * context.h - reading and writing a socket call in the context that the kernel
 * gives.
 *
 * The context allows only whole 32-bit reads.  The compiler may narrow a read to
 * its low half, which the verifier refuses: hence the volatile.
 */
#ifndef TG_BPF_HOOK_CONTEXT_H
#define TG_BPF_HOOK_CONTEXT_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/keys.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/addr.h"
#include "bpf/layout/enums.h"

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
	__u32 refused; /* set only by tg_report_shadows(): see tg_refused_before() */
	struct tg_view view;
};

/*
 * A mask, not a series of comparisons: clang 14 keeps those from being folded
 * (BPFAdjustOpt), and the code of both families would stay in every program.
 */
#define TG_HOOKS4                                                                                  \
	(TG_BIT(TG_HOOK_BIND4) | TG_BIT(TG_HOOK_CONNECT4) | TG_BIT(TG_HOOK_SENDMSG4) |             \
	 TG_BIT(TG_HOOK_RECVMSG4) | TG_BIT(TG_HOOK_GETPEERNAME4) | TG_BIT(TG_HOOK_GETSOCKNAME4))

static __always_inline int tg_hook_is4(enum tg_hook hook)
{
	return TG_HOOKS4 >> hook & 1;
}

/* Like tg_is_mapped(), without a branch: the verifier continues with one number, not with two. */
static __always_inline __u32 tg_mapped_bit(const __u32 addr_be[4])
{
	return tg_is_zero(addr_be[0] | addr_be[1] | (addr_be[2] ^ TG_MAPPED_BE));
}

/* Where a call goes in the end. */
struct tg_target {
	__u32 addr_be[4];
	__u16 port_be;
	__u16 error;  /* no backend was up, or an effect failed: the errno, positive */
	__u8 flags;   /* of its event: TG_EVENT_* */
	__u8 outcome; /* enum tg_outcome: here, and not in a variable, which would take stack */
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

/* An IPv4 hook takes the last word: the image's compiler has checked that the address is mapped. */
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
 * The protocol of a call.  MPTCP connects by a subflow that says TCP, but has an
 * MPTCP socket as its parent.  Not static, so that the verifier continues with
 * one unknown number, not with each of two.
 */
__attribute__((noinline)) __u32 tg_call_proto(struct bpf_sock_addr *ctx)
{
	__u32 proto = TG_READ(ctx->protocol);

	if (proto == IPPROTO_TCP && ctx->sk && bpf_skc_to_mptcp_sock(ctx->sk))
		proto = IPPROTO_MPTCP;
	return proto;
}

/* The IPv4 address that the socket is bound to; 0: none.  Not static: see tg_call_proto(). */
__attribute__((noinline)) __u32 tg_call_own4(struct bpf_sock_addr *ctx)
{
	return ctx->sk ? ctx->sk->src_ip4 : 0;
}

#define TG_LOOPBACK_BE bpf_htonl(TG_LOOPBACK4)

/*
 * Make a connect to 0.0.0.0 ask for the address that it is judged by.  Otherwise
 * the kernel would choose.  If the socket is bound, it takes the address that the
 * socket is bound to, or 127.0.0.1 if that is a broadcast or multicast address,
 * which a program cannot tell.  If the socket is not bound, it takes 127.0.0.1,
 * or the address of the device that the socket was told to use, if any.
 */
TG_GLOBAL int tg_call_pin4(struct bpf_sock_addr *ctx)
{
	if (!TG_READ(ctx->user_ip4))
		ctx->user_ip4 = tg_call_own4(ctx) ?: TG_LOOPBACK_BE;
	return 0;
}

/*
 * Whether a call may ask for 0.0.0.0, mapped or not, or ::.  Hardly any call
 * does, and for the others no function has to be called.  What this means for
 * the address is hidden from the verifier: it would continue with each of two.
 */
static __always_inline int tg_call_may_be_any(const struct tg_call *call)
{
	const __u32 *addr_be = call->addr_be;
	__u32 words = addr_be[0] | addr_be[1] | (addr_be[2] & ~TG_MAPPED_BE) | addr_be[3];

	TG_OPAQUE(words);
	return !words;
}

/* Like tg_call_pin4(), for a connect to ::ffff:0.0.0.0. */
TG_GLOBAL int tg_call_pin6(struct bpf_sock_addr *ctx)
{
	__u32 words = TG_READ(ctx->user_ip6[0]) | TG_READ(ctx->user_ip6[1]) |
		      (TG_READ(ctx->user_ip6[2]) ^ TG_MAPPED_BE) | TG_READ(ctx->user_ip6[3]);

	if (!words)
		ctx->user_ip6[3] = tg_call_own4(ctx) ?: TG_LOOPBACK_BE;
	return 0;
}

/* Like tg_call_pin4(), for a datagram: to 0.0.0.0 it goes to the address that it is sent from. */
TG_GLOBAL int tg_call_pin_datagram(struct bpf_sock_addr *ctx)
{
	if (!TG_READ(ctx->user_ip4))
		ctx->user_ip4 = TG_READ(ctx->msg_src_ip4) ?: TG_LOOPBACK_BE;
	return 0;
}

/* Whether :: means 127.0.0.1, because the socket is bound to a mapped address. */
__attribute__((noinline)) __u32 tg_call_bound4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	return sk && !sk->src_ip6[0] && !sk->src_ip6[1] && sk->src_ip6[2] == TG_MAPPED_BE;
}

/* Whether an IPv6 hook's address is judged by what the socket is bound to. */
static __always_inline int tg_context_unspecified(struct bpf_sock_addr *ctx, __u32 third_be)
{
	return !(TG_READ(ctx->user_ip6[0]) | TG_READ(ctx->user_ip6[1]) |
		 (TG_READ(ctx->user_ip6[2]) ^ third_be) | TG_READ(ctx->user_ip6[3]));
}

/* Whether connect6 is judged by its IPv4 address, and that address. */
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

/* The IPv4 addresses by which connect4 and sendmsg4 are judged if they ask for 0.0.0.0. */
TG_GLOBAL __u32 tg_connect4_addr4(struct bpf_sock_addr *ctx)
{
	return TG_READ(ctx->user_ip4) ?: tg_call_own4(ctx);
}

TG_GLOBAL __u32 tg_sendmsg4_addr4(struct bpf_sock_addr *ctx)
{
	return TG_READ(ctx->user_ip4) ?: TG_READ(ctx->msg_src_ip4);
}

/*
 * Set the address that the call is judged by, as far as the socket decides it: in
 * the context 0.0.0.0 is already pinned.  tg_target_words() does the rest.
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

#endif
