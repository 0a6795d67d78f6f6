/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * tidegate.bpf.c - the programs for IPv4 and IPv6: one engine, an entry a hook.
 *
 * They know nothing of policies: they walk the image in force, in tg_images.  An
 * entry has the name of its hook.  Every other function returns 0 or -errno;
 * only hook/verdict.h knows what the kernel expects.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/match.h"
#include "bpf/engine/shadow.h"
#include "bpf/hook/act.h"
#include "bpf/hook/addr.h"
#include "bpf/hook/context.h"
#include "bpf/hook/count.h"
#include "bpf/hook/decide.h"
#include "bpf/hook/once.h"
#include "bpf/hook/origin.h"
#include "bpf/hook/verdict.h"
#include "bpf/layout/enums.h"
#include "bpf/layout/program_spec.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Count a call about which the policy says nothing.  1: another program has refused it. */
static __always_inline __u32 tg_count_undecided(const struct tg_call *call)
{
	__u32 refused = tg_refused_before(call->op);

	tg_count_call(call->hook, refused ? TG_OUTCOME_REFUSED : TG_OUTCOME_PASSED);
	return refused;
}

/* connect, bind, sendmsg: do what the policy says. */
static __always_inline int tg_judge(struct tg_call *call)
{
	struct tg_found found = {};
	int failed = tg_call_decide(call, &found), err = failed;

	if (err == TG_PLAIN_DENIAL) {
		tg_count_call(call->hook, TG_OUTCOME_ERROR);
	} else if (err) {
		err = tg_on_error(call->hook, call->op);
	} else if (found.term) {
		if (TG_SHADOWS && found.shadows != TG_NO_SHADOWS)
			tg_report_shadows(call, &found);
		if (!tg_default_waives(call->op, call->port_be, found.term))
			return tg_act(call, &found);
	}
	if (!err && !(failed ? tg_refused_before(call->op) : tg_count_undecided(call)))
		tg_pass(call);
	return err;
}

static __always_inline int tg_connect(struct bpf_sock_addr *ctx, enum tg_hook hook)
{
	struct tg_call call = {.ctx = ctx, .hook = hook, .op = TG_OP_CONNECT};

	tg_call_read(&call);
	if (tg_call_may_be_any(&call)) {
		if (tg_hook_is4(hook))
			tg_call_pin4(ctx);
		else
			tg_call_pin6(ctx);
	}
	return tg_judge(&call);
}

static __always_inline int tg_bind(struct bpf_sock_addr *ctx, enum tg_hook hook)
{
	struct tg_call call = {.ctx = ctx, .hook = hook, .op = TG_OP_BIND};

	tg_call_read(&call);
	return tg_judge(&call);
}

/*
 * A datagram goes to the address that it gives, or, with control data on a
 * connected socket, to the socket's peer.  The latter gives no address: it was
 * judged when the socket was connected.
 */
static __always_inline int tg_sendmsg(struct bpf_sock_addr *ctx, enum tg_hook hook)
{
	struct tg_call call = {.ctx = ctx, .hook = hook, .op = TG_OP_SENDMSG};

	tg_call_read(&call);
	if (!call.port_be ||
	    (hook == TG_HOOK_SENDMSG4 && ctx->family == AF_INET6 && tg_peer_is(ctx))) {
		tg_count_undecided(&call);
		return 0;
	}
	if (hook == TG_HOOK_SENDMSG4 && tg_call_may_be_any(&call))
		tg_call_pin_datagram(ctx);
	return tg_judge(&call);
}

static __always_inline int tg_peer_shown(struct bpf_sock_addr *ctx, enum tg_hook hook)
{
	return tg_hook_is4(hook) ? tg_peer_shown4(ctx) : tg_peer_shown6(ctx);
}

/* recvmsg, getpeername, getsockname: do what the rules say about the reported address. */
static __always_inline void tg_report(struct tg_call *call)
{
	struct tg_found found;

	if (tg_call_decide(call, &found)) {
		tg_count_call(call->hook, TG_OUTCOME_ERROR);
	} else if (found.term) {
		if (TG_SHADOWS && found.shadows != TG_NO_SHADOWS)
			tg_report_shadows(call, &found);
		tg_act(call, &found);
	} else {
		tg_count_call(call->hook, TG_OUTCOME_PASSED);
	}
}

/* Report what a rewritten call had asked for, if there was one; else apply the rules. */
static __always_inline void tg_recvmsg(struct bpf_sock_addr *ctx, enum tg_hook hook)
{
	struct tg_call call = {.ctx = ctx, .hook = hook, .op = TG_OP_RECVMSG};

	tg_call_read(&call);
	if ((tg_spec.features & TG_FEATURE_PEER) && tg_peer_shown(ctx, hook))
		return tg_count_call(hook, TG_OUTCOME_REWRITTEN);
	if ((tg_spec.features & TG_FEATURE_SENT) && tg_sent_show(&call))
		return tg_count_call(hook, TG_OUTCOME_REWRITTEN);
	tg_report(&call);
}

static __always_inline void tg_getpeername(struct bpf_sock_addr *ctx, enum tg_hook hook)
{
	struct tg_call call = {.ctx = ctx, .hook = hook, .op = TG_OP_GETPEERNAME};

	tg_call_read(&call);
	if ((tg_spec.features & TG_FEATURE_PEER) && tg_peer_shown(ctx, hook))
		return tg_count_call(hook, TG_OUTCOME_REWRITTEN);
	tg_report(&call);
}

static __always_inline void tg_getsockname(struct bpf_sock_addr *ctx, enum tg_hook hook)
{
	struct tg_call call = {.ctx = ctx, .hook = hook, .op = TG_OP_GETSOCKNAME};

	tg_call_read(&call);
	if ((tg_spec.features & TG_FEATURE_LOCAL) && tg_local_show(&call))
		return tg_count_call(hook, TG_OUTCOME_REWRITTEN);
	tg_report(&call);
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return tg_is_judged_later() ? 1 : tg_bind_verdict(tg_bind(ctx, TG_HOOK_BIND4));
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	return tg_is_judged_later() ? 1 : tg_bind_verdict(tg_bind(ctx, TG_HOOK_BIND6));
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return tg_is_judged_later() ? 1 : tg_verdict(tg_connect(ctx, TG_HOOK_CONNECT4));
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return tg_is_judged_later() ? 1 : tg_verdict(tg_connect(ctx, TG_HOOK_CONNECT6));
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return tg_is_judged_later() ? 1 : tg_verdict(tg_sendmsg(ctx, TG_HOOK_SENDMSG4));
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return tg_is_judged_later() ? 1 : tg_verdict(tg_sendmsg(ctx, TG_HOOK_SENDMSG6));
}

/* These may only return 1, and may not call bpf_set_retval(). */
SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	if (!tg_is_judged_later())
		tg_recvmsg(ctx, TG_HOOK_RECVMSG4);
	return 1;
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	if (!tg_is_judged_later())
		tg_recvmsg(ctx, TG_HOOK_RECVMSG6);
	return 1;
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	if (!tg_is_judged_later())
		tg_getpeername(ctx, TG_HOOK_GETPEERNAME4);
	return 1;
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	if (!tg_is_judged_later())
		tg_getpeername(ctx, TG_HOOK_GETPEERNAME6);
	return 1;
}

SEC("cgroup/getsockname4")
int getsockname4(struct bpf_sock_addr *ctx)
{
	if (!tg_is_judged_later())
		tg_getsockname(ctx, TG_HOOK_GETSOCKNAME4);
	return 1;
}

SEC("cgroup/getsockname6")
int getsockname6(struct bpf_sock_addr *ctx)
{
	if (!tg_is_judged_later())
		tg_getsockname(ctx, TG_HOOK_GETSOCKNAME6);
	return 1;
}
