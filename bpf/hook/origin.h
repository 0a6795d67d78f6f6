/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * origin.h - what a rewritten socket had asked for.
 *
 * The hooks that report an address run for every socket of the cgroup, including
 * servers, and also for accept4() and SO_PEERNAME.  So the state is stored with
 * the socket, and used only if the kernel still reports the address that the
 * call was redirected to.
 */
#ifndef TG_BPF_HOOK_ORIGIN_H
#define TG_BPF_HOOK_ORIGIN_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/addr.h"
#include "bpf/hook/asked_before.h"
#include "bpf/hook/context.h"
#include "bpf/hook/maps.h"
#include "bpf/hook/stored.h"
#include "bpf/hook/verdict.h"
#include "bpf/layout/enums.h"
#include "bpf/layout/program_spec.h"

/*
 * The hooks that rewrite calls see the subflow of an MPTCP socket; those that
 * report an address see the socket itself.  The state is stored with the latter.
 */
#define TG_STORAGE_OF(map, call, flags)                                                            \
	({                                                                                         \
		struct bpf_sock *sk_ = (call)->ctx->sk;                                            \
		struct mptcp_sock *parent_ = sk_ ? bpf_skc_to_mptcp_sock(sk_) : 0;                 \
		void *storage_ = 0;                                                                \
		if (parent_)                                                                       \
			storage_ = bpf_sk_storage_get(map, parent_, 0, flags);                     \
		else if (sk_)                                                                      \
			storage_ = bpf_sk_storage_get(map, sk_, 0, flags);                         \
		storage_;                                                                          \
	})

/* What this program was called with. */
static __always_inline void tg_call_asked(const struct tg_call *call, struct tg_asked_addr *asked)
{
	tg_copy_addr(asked->addr_be, call->addr_be);
	asked->port_be = call->port_be;
}

/* The rest of a rewrite, whose `asked` is set. */
static __always_inline void tg_rewrite_fill(struct tg_rewrite *rewrite, const struct tg_call *call,
					    const struct tg_target *target)
{
	tg_call_asked(call, &rewrite->judged);
	tg_copy_addr(rewrite->final_addr_be, target->addr_be);
	rewrite->final_port_be = target->port_be;
}

/* --- what the program asked for, if several gates rewrite a call ------------------------ */

static __always_inline void tg_goal_of(const __u32 addr_be[4], __u16 port_be, struct tg_goal *goal)
{
	goal->words[0] = (__u64)addr_be[0] << 32 | addr_be[1];
	goal->words[1] = (__u64)addr_be[2] << 32 | addr_be[3];
	goal->words[2] = 1ull << 16 | port_be;
}

/* `asked` is what this program was called with; make it what the calling program asked for. */
TG_GLOBAL int tg_asked_read(struct tg_noted *own, struct tg_asked_addr *asked, int hook)
{
	struct tg_goal goal;
	__u64 found;

	if (!(tg_spec.features & TG_FEATURES_REMEMBER) || !own || !asked)
		return 0;
	tg_goal_of(asked->addr_be, asked->port_be, &goal);
	found = tg_note_before(&own->note, &goal, hook);
	if (found)
		bpf_probe_read_kernel(asked, sizeof(*asked),
				      (void *)found + offsetof(struct tg_noted, asked));
	return 0;
}

/*
 * Set what the program asked for, and note it for the gates that judge the call after this.
 * `asked` is not in `own`, which another thread may write at once.
 */
static __always_inline void tg_asked_note(struct tg_noted *own, const struct tg_call *call,
					  const struct tg_target *target,
					  struct tg_asked_addr *asked)
{
	tg_call_asked(call, asked);
	tg_asked_read(own, asked, call->hook);
	own->asked = *asked;
	tg_goal_of(target->addr_be, target->port_be, &own->note.goal);
}

/* Report what was asked for; 1 if the reported address is one that a call was redirected to. */
static __always_inline int tg_rewrite_report(struct tg_call *call, const struct tg_rewrite *rewrite)
{
	if (!tg_redirected_to(rewrite, call->addr_be, call->port_be))
		return 0;
	if (rewrite->reveal)
		return 1;
	/* If the final address is unspecified, only the port was rewritten. */
	if (!tg_is_unspecified(rewrite->final_addr_be))
		tg_call_write_addr(call, rewrite->asked.addr_be);
	call->ctx->user_port = rewrite->asked.port_be;
	return 1;
}

/* --- connect: the peer -------------------------------------------------------------- */

/*
 * The socket is about to have this peer, and getpeername is to report it.  A
 * connect that asks for this address itself ends the state.  One that fails
 * leaves the state, as it leaves a datagram socket's peer.
 */
static __always_inline void tg_peer_forget(struct tg_call *call, const struct tg_target *target)
{
	struct tg_origin *origin = TG_STORAGE_OF(&tg_origins, call, 0);

	if (!origin)
		return;
	tg_note_drop(&origin->noted.note);
	if (tg_redirected_to(&origin->last, target->addr_be, target->port_be))
		origin->last.final_port_be = 0;
	if (tg_redirected_to(&origin->before, target->addr_be, target->port_be))
		origin->before.final_port_be = 0;
}

/* The gates that judge a call after one that reveals its address show that address. */
static __always_inline int tg_peer_keep(struct tg_call *call, const struct tg_target *target,
					__u32 reveal)
{
	struct tg_origin *origin = TG_STORAGE_OF(&tg_origins, call, BPF_SK_STORAGE_GET_F_CREATE);

	if (!origin)
		return -TG_ENOMEM;
	origin->before = origin->last;
	tg_asked_note(&origin->noted, call, target, &origin->last.asked);
	tg_rewrite_fill(&origin->last, call, target);
	origin->last.reveal = !!reveal;
	/* A socket gets its cookie when it is first asked for: kill names the socket by it. */
	bpf_get_socket_cookie(call->ctx);
	if (reveal)
		tg_note_drop(&origin->noted.note);
	return 0;
}

/* Whether the rewrite that another gate has stored at an address led there. */
static __always_inline int tg_rewrite_led(__u64 at, const __u32 addr_be[4], __u16 port_be)
{
	struct tg_rewrite rewrite;

	return !bpf_probe_read_kernel(&rewrite, sizeof(rewrite), (void *)at) &&
	       tg_redirected_to(&rewrite, addr_be, port_be);
}

/* Whether a gate has redirected the connect of a UDP socket to this peer. */
static __always_inline int tg_peer_search(struct bpf_sock *sk, const __u32 addr_be[4],
					  __u16 port_be)
{
	struct tg_map_kind origins = {.value_size = sizeof(struct tg_origin)}, kind;
	const struct udp6_sock *udp = bpf_skc_to_udp6_sock(sk);
	__u64 node, value;
	int found = 0;

	if (!udp || !tg_storage_is_known() ||
	    !bpf_core_field_exists(struct udp6_sock___note, udp.inet.sk.sk_bpf_storage))
		return 0;
	__builtin_memcpy(origins.name, "tg_origins\0\0\0\0\0", sizeof(origins.name));
	node = tg_stored_first((__u64)udp + TG_OFFSET(udp6_sock, udp.inet.sk.sk_bpf_storage));
	TG_ROLL
	for (int i = 0; i < TG_STORED && node && !found; i++) {
		__u64 element = tg_stored_at(&node);

		tg_map_read(element, &kind);
		if (!tg_same_kind(&kind, &origins))
			continue;
		value = TG_STORED_VALUE(element);
		found = tg_rewrite_led(value + offsetof(struct tg_origin, last), addr_be,
				       port_be) ||
			tg_rewrite_led(value + offsetof(struct tg_origin, before), addr_be,
				       port_be);
	}
	return found;
}

/*
 * A v6 socket that is connected to a mapped address sends each datagram by
 * sendmsg4, to the address that the connect was redirected to: that has been
 * decided already, by this gate or by one that judges calls after it.  But only as
 * long as the socket is connected there: a rewrite does not permit it to send there
 * for ever.
 */
TG_GLOBAL int tg_peer_is(struct bpf_sock_addr *ctx)
{
	struct tg_call call = {.ctx = ctx, .hook = TG_HOOK_SENDMSG4};
	const struct tg_origin *origin;
	struct bpf_sock *sk = ctx->sk;

	if (!sk || ctx->family != AF_INET6)
		return 0;
	tg_call_read(&call);
	if (sk->dst_ip4 != call.addr_be[3] || sk->dst_port != (__u16)call.port_be)
		return 0;
	origin = tg_spec.features & TG_FEATURE_PEER ? TG_STORAGE_OF(&tg_origins, &call, 0) : 0;
	if (origin && (tg_redirected_to(&origin->last, call.addr_be, call.port_be) ||
		       tg_redirected_to(&origin->before, call.addr_be, call.port_be)))
		return 1;
	return tg_peer_search(sk, call.addr_be, call.port_be);
}

static __always_inline int tg_peer_show(struct tg_call *call)
{
	struct tg_origin *origin = TG_STORAGE_OF(&tg_origins, call, 0);

	return origin &&
	       (tg_rewrite_report(call, &origin->last) || tg_rewrite_report(call, &origin->before));
}

/*
 * Like tg_peer_show(), as functions that the verifier looks at once: the many
 * ways through them are not multiplied by those of the matcher.
 */
TG_GLOBAL int tg_peer_shown4(struct bpf_sock_addr *ctx)
{
	struct tg_call call = {.ctx = ctx, .hook = TG_HOOK_RECVMSG4};

	if (!(tg_spec.features & TG_FEATURE_PEER))
		return 0;
	tg_call_read(&call);
	return tg_peer_show(&call);
}

TG_GLOBAL int tg_peer_shown6(struct bpf_sock_addr *ctx)
{
	struct tg_call call = {.ctx = ctx, .hook = TG_HOOK_RECVMSG6};

	if (!(tg_spec.features & TG_FEATURE_PEER))
		return 0;
	tg_call_read(&call);
	return tg_peer_show(&call);
}

/* --- bind: the local address --------------------------------------------------------- */

/* If so, the kernel will refuse another bind, and what the first one asked for still holds. */
static __always_inline int tg_local_is_bound(struct tg_call *call)
{
	struct bpf_sock *sk = call->ctx->sk;

	return sk && sk->src_port;
}

static __always_inline void tg_local_forget(struct tg_call *call)
{
	struct tg_local *local = TG_STORAGE_OF(&tg_locals, call, 0);

	if (!local || tg_local_is_bound(call))
		return;
	tg_note_drop(&local->noted.note);
	local->rewritten = 0;
}

static __always_inline int tg_local_keep(struct tg_call *call, const struct tg_target *target)
{
	struct tg_rewrite *rewrite;
	struct tg_local *local;

	if (tg_local_is_bound(call))
		return 0;
	local = TG_STORAGE_OF(&tg_locals, call, BPF_SK_STORAGE_GET_F_CREATE);
	if (!local)
		return -TG_ENOMEM;
	/* An accepted socket inherits what its listener's list was. */
	local->noted.note.list = local->noted.note.other = 0;
	rewrite = &local->rewrite;
	tg_asked_note(&local->noted, call, target, &rewrite->asked);
	tg_rewrite_fill(rewrite, call, target);
	local->port_rewritten = rewrite->asked.port_be && target->port_be != rewrite->asked.port_be;
	local->rewritten = 1;
	return 0;
}

/*
 * If the kernel was to choose the port, its choice is shown.  A socket whose bind
 * was rewritten to 0.0.0.0 or :: gets a real address once it has a peer;
 * if the bind had asked for 0.0.0.0 or ::, that address is shown from then on.
 */
static __always_inline int tg_local_show(struct tg_call *call)
{
	struct tg_local *local = TG_STORAGE_OF(&tg_locals, call, 0);
	struct bpf_sock *sk = call->ctx->sk;
	const struct tg_rewrite *rewrite;

	if (!sk || !local || !local->rewritten)
		return 0;
	rewrite = &local->rewrite;
	if (!tg_is_unspecified(rewrite->final_addr_be) &&
	    !tg_same_addr(rewrite->final_addr_be, call->addr_be))
		return 0;
	if (rewrite->final_port_be && rewrite->final_port_be != call->port_be)
		return 0;
	if (!sk->dst_port || !tg_is_unspecified(rewrite->asked.addr_be))
		tg_call_write_addr(call, rewrite->asked.addr_be);
	if (local->port_rewritten)
		call->ctx->user_port = rewrite->asked.port_be;
	return 1;
}

/* --- sendmsg: the destinations --------------------------------------------------------- */

static __always_inline void tg_sent_key_of(struct bpf_sock_addr *ctx, const __u32 addr_be[4],
					   __u16 port_be, struct tg_sent_key *key)
{
	key->cookie = bpf_get_socket_cookie(ctx);
	tg_copy_addr(key->final_addr_be, addr_be);
	key->final_port_be = port_be;
	key->pad = 0;
}

/*
 * A further destination.  The map is written only if the destination is new, or
 * was asked for by another address.  A subprogram, so that the key has its own
 * stack frame.
 */
static TG_SUBPROGRAM int tg_sent_keep_more(struct bpf_sock_addr *ctx,
					   const struct tg_asked_addr *asked,
					   const struct tg_target *target)
{
	struct tg_sent_key key;
	const struct tg_asked_addr *known;

	tg_sent_key_of(ctx, target->addr_be, target->port_be, &key);
	known = bpf_map_lookup_elem(&tg_sents, &key);
	if (known && known->port_be == asked->port_be &&
	    tg_same_addr(known->addr_be, asked->addr_be))
		return 0;
	return bpf_map_update_elem(&tg_sents, &key, asked, BPF_ANY) ? -TG_ENOMEM : 0;
}

static TG_SUBPROGRAM int tg_sent_forget_more(struct bpf_sock_addr *ctx,
					     const struct tg_target *target)
{
	struct tg_sent_key key;

	tg_sent_key_of(ctx, target->addr_be, target->port_be, &key);
	bpf_map_delete_elem(&tg_sents, &key);
	return 0;
}

/* Two threads may send on one socket at once: only one of them writes the first destination. */
static __always_inline int tg_sent_keep(struct tg_call *call, const struct tg_target *target)
{
	struct tg_origin *origin = TG_STORAGE_OF(&tg_origins, call, BPF_SK_STORAGE_GET_F_CREATE);
	struct tg_asked_addr asked;

	if (!origin)
		return -TG_ENOMEM;
	tg_asked_note(&origin->noted, call, target, &asked);
	if (origin->sent_state == TG_SENT_READY &&
	    tg_redirected_to(&origin->sent, target->addr_be, target->port_be)) {
		if (origin->sent.asked.port_be == asked.port_be &&
		    tg_same_addr(origin->sent.asked.addr_be, asked.addr_be))
			return 0;
		/* Two addresses were redirected to one destination: the newer is in the map. */
		origin->sent_state = TG_SENT_STALE;
	}
	if (__sync_val_compare_and_swap(&origin->sent_state, TG_SENT_NONE, TG_SENT_BUSY) ==
	    TG_SENT_NONE) {
		origin->sent.asked = asked;
		tg_rewrite_fill(&origin->sent, call, target);
		__sync_val_compare_and_swap(&origin->sent_state, TG_SENT_BUSY, TG_SENT_READY);
		return 0;
	}
	origin->sent_more = 1;
	return tg_sent_keep_more(call->ctx, &asked, target);
}

/* A datagram asks for this destination itself: its answers are shown with their real source. */
static __always_inline void tg_sent_forget(struct tg_call *call, const struct tg_target *target)
{
	struct tg_origin *origin = TG_STORAGE_OF(&tg_origins, call, 0);

	if (!origin)
		return;
	tg_note_drop(&origin->noted.note);
	if (origin->sent_state == TG_SENT_READY &&
	    tg_redirected_to(&origin->sent, target->addr_be, target->port_be))
		origin->sent_state = TG_SENT_STALE;
	if (origin->sent_more)
		tg_sent_forget_more(call->ctx, target);
}

static __always_inline int tg_sent_show(struct tg_call *call)
{
	struct tg_origin *origin = TG_STORAGE_OF(&tg_origins, call, 0);
	const struct tg_asked_addr *asked;
	struct tg_sent_key key;

	if (!origin)
		return 0;
	if (origin->sent_state == TG_SENT_READY && tg_rewrite_report(call, &origin->sent))
		return 1;
	if (!origin->sent_more)
		return 0;
	tg_sent_key_of(call->ctx, call->addr_be, call->port_be, &key);
	asked = bpf_map_lookup_elem(&tg_sents, &key);
	if (!asked)
		return 0;
	tg_call_write_addr(call, asked->addr_be);
	call->ctx->user_port = asked->port_be;
	return 1;
}

#endif
