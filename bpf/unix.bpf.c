/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unix.bpf.c - the programs for unix sockets, from Linux 6.7 on.
 *
 * They are an object of their own because only they need BTF and kernel
 * functions.  They share the maps of tidegate.bpf.c, except those of what was
 * asked for.  The section names carry no attach type, because libbpf 1.1 does
 * not know these types: core sets them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/match.h"
#include "bpf/engine/path_rank.h"
#include "bpf/engine/shadow.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/count.h"
#include "bpf/hook/decide.h"
#include "bpf/hook/emit.h"
#include "bpf/hook/once.h"
#include "bpf/hook/rare_keys.h"
#include "bpf/hook/unix_context.h"
#include "bpf/hook/unix_decide.h"
#include "bpf/hook/unix_origin.h"
#include "bpf/hook/verdict.h"
#include "bpf/layout/event_record.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* The hook, whether another program has refused the call, and the errno of a failed effect, if any.
 */
#define TG_UNIX_END(hook, refused, error) ((hook) | (refused) << 8 | (__u32)(error) << 16)

static TG_SUBPROGRAM void tg_unix_emit(struct bpf_sock_addr *ctx, const struct tg_term *term,
				       __u32 end, const struct tg_unix_path *asked,
				       const struct tg_unix_path *final)
{
	enum tg_hook hook = (enum tg_hook)(end & 0xff);
	struct tg_event_record *event;
	struct tg_view view;
	void *record;

	if (tg_image_view(&view))
		return;
	record = tg_record_reserve(term, hook);
	if (!record)
		return;
	event = record - sizeof(__u64);
	tg_event_fill(event, &view, term, ctx, hook);
	tg_event_end(event,
		     (end & 0x100 ? TG_EVENT_REFUSED_BEFORE : 0) |
			     (end >> 16 ? TG_EVENT_FAILED : 0),
		     end >> 16);
	event->family = AF_UNIX;
	event->protocol = 0;
	event->asked_port_be = 0;
	event->final_port_be = 0;
	__builtin_memset(event->asked_addr, 0, sizeof(event->asked_addr));
	__builtin_memset(event->final_addr, 0, sizeof(event->final_addr));
	event->asked_path_bytes = asked->bytes;
	event->final_path_bytes = final->bytes;
	__builtin_memcpy(event->asked_path, asked->at, TG_PATH_BYTES);
	__builtin_memcpy(event->final_path, final->at, TG_PATH_BYTES);
	bpf_ringbuf_submit(record, 0);
}

/* Let a call proceed to `to`, or, if that is NULL, to the path that it asked for. */
static __always_inline int tg_unix_proceed(struct bpf_sock_addr *ctx, enum tg_op op,
					   const struct tg_term *term,
					   const struct tg_unix_path *asked,
					   const struct tg_unix_path *to)
{
	int err = 0;

	if ((tg_spec.features & TG_FEATURE_PATH_BACK) && (TG_OPS_EGRESS >> op & 1)) {
		if (!to || (term->effects & TG_EFFECT_REVEAL))
			tg_path_forget(ctx, to ? to : asked);
		else
			err = tg_path_keep(ctx, asked, to, op);
	}
	if (err)
		return err;
	return to ? tg_unix_write(ctx, to) : 0;
}

/* Do what the term says.  `what` is TG_WHAT(); `to` is the path that it rewrites to, or NULL. */
static TG_SUBPROGRAM int tg_unix_act(struct bpf_sock_addr *ctx, __u32 what, __u32 refused,
				     const struct tg_term *term, const struct tg_unix_path *to)
{
	enum tg_hook hook = (enum tg_hook)TG_WHAT_HOOK(what);
	enum tg_op op = (enum tg_op)TG_WHAT_OP(what);
	struct tg_unix_path asked;
	enum tg_outcome outcome;
	int err = 0;

	if (tg_unix_read(ctx, &asked))
		return tg_on_error(hook, op);
	if (tg_denies(term)) {
		err = tg_denial(term);
		outcome = TG_OUTCOME_DENIED;
	} else if (refused) {
		outcome = TG_OUTCOME_REFUSED;
	} else {
		err = tg_unix_proceed(ctx, op, term, &asked, to);
		outcome = tg_is_trial(term) ? TG_OUTCOME_PASSED : tg_outcome_of(term, err);
	}
	tg_count_decided(term, hook, outcome);
	if (tg_tells(term, outcome == TG_OUTCOME_ERROR))
		tg_unix_emit(ctx, term,
			     TG_UNIX_END(hook, refused, outcome == TG_OUTCOME_ERROR ? -err : 0),
			     &asked, to && !refused ? to : &asked);
	return err;
}

/* Count and log the shadows.  The call goes on as if they did not exist.  `end`: TG_UNIX_END(). */
static TG_SUBPROGRAM void tg_unix_report_shadows(struct bpf_sock_addr *ctx, __u32 end,
						 const struct tg_view *view, __u64 shadows,
						 __u64 term_row)
{
	__u32 reported = TG_RULE_DEFAULT;
	struct tg_unix_path asked;

	if (tg_unix_read(ctx, &asked))
		return;
	for (int i = 0; i < TG_HEAD_TERMS; i++, shadows <<= 16) {
		__u64 index = shadows >> 48;
		const struct tg_term *term = tg_row(view, term_row + index);

		if (index == TG_HEAD_NONE || !term || term->rule == reported)
			continue;
		reported = term->rule;
		if (!(end & 0x100))
			tg_count_shadow(term);
		if (tg_tells(term, 0))
			tg_unix_emit(ctx, term, end, &asked, &asked);
	}
}

/* Do what the policy says about a call. */
static __always_inline int tg_unix_judge(struct bpf_sock_addr *ctx, enum tg_hook hook,
					 enum tg_op op, __u32 refused)
{
	const struct tg_unix_path *to = 0;
	struct tg_found found = {};
	struct tg_view view;
	int rank = 0, row;

	if (tg_image_view(&view))
		return tg_on_error(hook, op);
	row = tg_unix_section(&view, op);
	if (row > 0 && (tg_spec.unix_keys[op] & (1u << TG_KEY_PATH)))
		rank = tg_unix_rank(ctx, &view, row);
	if (row < 0 || rank < 0 ||
	    tg_unix_match(ctx, TG_WHAT(hook, op), &view, TG_UNIX_RANK(rank, refused), &found))
		return tg_on_error(hook, op);
	if (!found.term) {
		tg_count_call(hook, refused ? TG_OUTCOME_REFUSED : TG_OUTCOME_PASSED);
		return 0;
	}
	if (TG_SHADOWS && found.shadows != TG_NO_SHADOWS)
		tg_unix_report_shadows(ctx, TG_UNIX_END(hook, refused, 0), &view, found.shadows,
				       found.term_row);
	if ((tg_spec.features & TG_FEATURE_PATH) && (found.term->effects & TG_EFFECT_TO_ADDR) &&
	    !tg_is_trial(found.term))
		to = tg_path_target(&view, row, found.term);
	return tg_unix_act(ctx, TG_WHAT(hook, op), refused, found.term, to);
}

/* Report what a rewritten call had asked for, if there was one; else apply the rules. */
static __always_inline int tg_unix_report(struct bpf_sock_addr *ctx, enum tg_hook hook,
					  enum tg_op op, __u64 cookie)
{
	if (tg_is_judged_later())
		return 1;
	if (tg_path_show(ctx, cookie))
		tg_unix_judge(ctx, hook, op, 0);
	else
		tg_count_call(hook, TG_OUTCOME_REWRITTEN);
	return 1;
}

SEC("cgroup/unix")
int connect_unix(struct bpf_sock_addr *ctx)
{
	if (tg_is_judged_later())
		return 1;
	return tg_verdict(tg_unix_judge(ctx, TG_HOOK_CONNECT_UNIX, TG_OP_CONNECT,
					tg_refused_before(TG_OP_CONNECT)));
}

SEC("cgroup/unix")
int sendmsg_unix(struct bpf_sock_addr *ctx)
{
	if (tg_is_judged_later())
		return 1;
	return tg_verdict(tg_unix_judge(ctx, TG_HOOK_SENDMSG_UNIX, TG_OP_SENDMSG,
					tg_refused_before(TG_OP_SENDMSG)));
}

/* These may only return 1, and may not call bpf_set_retval(). */
SEC("cgroup/unix")
int recvmsg_unix(struct bpf_sock_addr *ctx)
{
	return tg_unix_report(ctx, TG_HOOK_RECVMSG_UNIX, TG_OP_RECVMSG, bpf_get_socket_cookie(ctx));
}

SEC("cgroup/unix")
int getpeername_unix(struct bpf_sock_addr *ctx)
{
	return tg_unix_report(ctx, TG_HOOK_GETPEERNAME_UNIX, TG_OP_GETPEERNAME,
			      tg_asker_cookie(ctx));
}

SEC("cgroup/unix")
int getsockname_unix(struct bpf_sock_addr *ctx)
{
	return tg_unix_report(ctx, TG_HOOK_GETSOCKNAME_UNIX, TG_OP_GETSOCKNAME, 0);
}
