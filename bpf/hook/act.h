/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * act.h - carrying out the term that decides.
 *
 * Each operation has its own way of letting a call proceed: what it rewrites,
 * and what it remembers of that.  Where the call goes is in `target`, which
 * starts as what was asked for.
 */
#ifndef TG_BPF_HOOK_ACT_H
#define TG_BPF_HOOK_ACT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/match.h"
#include "bpf/engine/tree_search.h"
#include "bpf/hook/addr.h"
#include "bpf/hook/bind_source.h"
#include "bpf/hook/choose_target.h"
#include "bpf/hook/context.h"
#include "bpf/hook/count.h"
#include "bpf/hook/emit.h"
#include "bpf/hook/origin.h"
#include "bpf/hook/setsockopt.h"
#include "bpf/hook/verdict.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"

/* In other operations the kernel has no bpf_setsockopt(), or has already read the options. */
#define TG_OPS_SETTING (TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_BIND))

/* Rewrite the call to its target. */
static __always_inline void tg_rewrite_call(struct tg_call *call, const struct tg_target *target)
{
	tg_call_write_addr(call, target->addr_be);
	call->ctx->user_port = target->port_be;
}

static __always_inline int tg_connect_proceed(struct tg_call *call, const struct tg_term *term,
					      struct tg_target *target)
{
	int err = 0;

	if ((tg_spec.features & TG_FEATURE_BIND_SOURCE) && (term->effects & TG_EFFECT_BIND_SOURCE))
		err = tg_hook_is4(call->hook) ? tg_bind_source4(call->ctx, term, target)
					      : tg_bind_source6(call->ctx, term, target);
	if (err)
		return err;
	if (tg_is_rewrite(term))
		tg_rewrite_call(call, target);
	if (!(tg_spec.features & TG_FEATURE_PEER))
		return 0;
	if (tg_is_rewrite(term))
		return tg_peer_keep(call, target, term->effects & TG_EFFECT_REVEAL);
	tg_peer_forget(call, target);
	return 0;
}

static __always_inline int tg_bind_proceed(struct tg_call *call, const struct tg_term *term,
					   struct tg_target *target)
{
	int err = 0;

	if (tg_is_rewrite(term))
		tg_rewrite_call(call, target);
	if (tg_spec.features & TG_FEATURE_LOCAL) {
		if (tg_is_rewrite(term) && !(term->effects & TG_EFFECT_REVEAL))
			err = tg_local_keep(call, target);
		else
			tg_local_forget(call);
	}
	if (err)
		return err;
	return term->effects & TG_EFFECT_LOW_PORT ? TG_LOW_PORT : 0;
}

/* Send this one datagram from the term's source. */
static __always_inline int tg_send_source(struct tg_call *call, const struct tg_term *term,
					  const struct tg_target *target)
{
	struct bpf_sock_addr *ctx = call->ctx;

	if (tg_is_mapped(target->addr_be) != tg_is_mapped(term->bind_source_addr_be))
		return -TG_EAFNOSUPPORT;
	if (tg_hook_is4(call->hook)) {
		ctx->msg_src_ip4 = term->bind_source_addr_be[3];
	} else {
		ctx->msg_src_ip6[0] = term->bind_source_addr_be[0];
		ctx->msg_src_ip6[1] = term->bind_source_addr_be[1];
		ctx->msg_src_ip6[2] = term->bind_source_addr_be[2];
		ctx->msg_src_ip6[3] = term->bind_source_addr_be[3];
	}
	return 0;
}

static __always_inline int tg_sendmsg_proceed(struct tg_call *call, const struct tg_term *term,
					      struct tg_target *target)
{
	int err = 0;

	if (tg_is_rewrite(term))
		tg_rewrite_call(call, target);
	if ((tg_spec.features & TG_FEATURE_BIND_SOURCE) && (term->effects & TG_EFFECT_BIND_SOURCE))
		err = tg_send_source(call, term, target);
	if (err || !(tg_spec.features & TG_FEATURE_SENT))
		return err;
	if (tg_is_rewrite(term) && !(term->effects & TG_EFFECT_REVEAL))
		return tg_sent_keep(call, target);
	tg_sent_forget(call, target);
	return 0;
}

/* recvmsg, getpeername, getsockname: only the reported address changes. */
static __always_inline int tg_report_proceed(struct tg_call *call, const struct tg_term *term,
					     struct tg_target *target)
{
	if (tg_is_rewrite(term))
		tg_rewrite_call(call, target);
	return 0;
}

static __always_inline int tg_proceed(struct tg_call *call, const struct tg_term *term,
				      struct tg_target *target)
{
	if ((tg_spec.features & TG_FEATURE_SOCKOPT) && (TG_OPS_SETTING >> call->op & 1) &&
	    (term->effects & TG_EFFECT_SOCKOPT)) {
		int err = tg_set_options(call, term);

		if (err)
			return err;
	}
	switch (call->op) {
	case TG_OP_CONNECT:
		return tg_connect_proceed(call, term, target);
	case TG_OP_BIND:
		return tg_bind_proceed(call, term, target);
	case TG_OP_SENDMSG:
		return tg_sendmsg_proceed(call, term, target);
	default:
		return tg_report_proceed(call, term, target);
	}
}

/* Let a call proceed to where it asked. */
static __always_inline void tg_pass(struct tg_call *call)
{
	struct tg_target target = {.port_be = call->port_be};

	tg_copy_addr(target.addr_be, call->addr_be);
	if (call->op == TG_OP_CONNECT && (tg_spec.features & TG_FEATURE_PEER))
		tg_peer_forget(call, &target);
	if (call->op == TG_OP_BIND && (tg_spec.features & TG_FEATURE_LOCAL))
		tg_local_forget(call);
	if (call->op == TG_OP_SENDMSG && (tg_spec.features & TG_FEATURE_SENT))
		tg_sent_forget(call, &target);
}

/* The context of tg_report_step(). */
struct tg_shadow_report {
	struct tg_call call;
	__u64 shadows; /* those that are still to be reported */
	__u32 term_row;
	__u32 reported; /* the rule of the last one: a rule may match by several terms */
};

static __always_inline void tg_emit_shadow(struct tg_call *call, const struct tg_term *term)
{
	struct tg_target target = {
		.port_be = call->port_be,
		.flags = call->refused ? TG_EVENT_REFUSED_BEFORE : 0,
	};

	tg_copy_addr(target.addr_be, call->addr_be);
	tg_emit(call, term, &target);
}

static long tg_report_step(__u32 step, struct tg_shadow_report *report)
{
	__u64 index = report->shadows >> 48;
	const struct tg_term *term;

	(void)step;
	report->shadows <<= 16;
	if (index == TG_HEAD_NONE)
		return 0;
	term = tg_row(&report->call.view, report->term_row + index);
	if (!term || term->rule == report->reported)
		return 0;
	report->reported = term->rule;
	if (!report->call.refused)
		tg_count_shadow(term);
	if (tg_tells(term, 0))
		tg_emit_shadow(&report->call, term);
	return 0;
}

/* Count and log the shadows.  The call goes on as if they did not exist. */
static __always_inline void tg_report_shadows(const struct tg_call *call,
					      const struct tg_found *found)
{
	struct tg_shadow_report report = {
		.call = *call,
		.shadows = found->shadows,
		.term_row = found->term_row,
		.reported = TG_RULE_DEFAULT,
	};

	report.call.refused = tg_refused_before(call->op);
	bpf_loop(TG_HEAD_TERMS, tg_report_step, &report, 0);
}

/* Note how a call ends that a term has let proceed. */
static __always_inline void tg_note_end(const struct tg_term *term, int err,
					struct tg_target *target)
{
	target->outcome = target->error ? TG_OUTCOME_DENIED : tg_outcome_of(term, err);
	if (target->outcome == TG_OUTCOME_ERROR) {
		target->error = -err;
		target->flags = TG_EVENT_FAILED;
	}
}

/*
 * Do what the found term says: 0 or TG_LOW_PORT lets the call proceed, -errno fails it.
 * For a call that another program has refused, only a denial is still something to do.
 */
static __always_inline int tg_act(struct tg_call *call, const struct tg_found *found)
{
	struct tg_target target = {.port_be = call->port_be};
	const struct tg_term *term = found->term;
	int err = 0;

	tg_copy_addr(target.addr_be, call->addr_be);
	if (tg_denies(term)) {
		err = tg_denial(term);
		target.outcome = TG_OUTCOME_DENIED;
	} else if (tg_refused_before(call->op)) {
		target.outcome = TG_OUTCOME_REFUSED;
	} else if (tg_is_trial(term)) {
		tg_pass(call);
		target.outcome = TG_OUTCOME_PASSED;
	} else {
		err = tg_choose_target(call, found, &target) ?: tg_proceed(call, term, &target);
		tg_note_end(term, err, &target);
	}
	tg_count_decided(term, call->hook, target.outcome);
	if (tg_tells(term, target.error)) {
		target.flags |= tg_refused_before(call->op) * TG_EVENT_REFUSED_BEFORE;
		tg_emit(call, term, &target);
	}
	return err;
}

#endif
