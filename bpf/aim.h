/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* aim.h - where a term turns a call: to what it says, or to one of its backends. */
#ifndef TG_AIM_H
#define TG_AIM_H

#include "balance.h"
#include "call.h"

#define TG_BALANCES (tg_spec.features & TG_FEATURE_BALANCE)

/* Balance is a rewrite whose target is chosen. */
static __always_inline int tg_turns(const struct tg_term *term)
{
	if (TG_BALANCES && term->verb == TG_VERB_BALANCE)
		return 1;
	return (tg_spec.features & TG_FEATURE_REWRITE) && term->verb == TG_VERB_REWRITE;
}

/*
 * What a choice is made by.  A datagram's socket stands for chance: so it stays
 * with its backend, without anybody remembering which that is.
 */
TG_GLOBAL __u64 tg_balance_key(struct bpf_sock_addr *ctx, __u32 by, __u64 destination)
{
	switch (by) {
	case TG_BY_RANDOM:
		return (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	case TG_BY_PID:
		return bpf_get_current_pid_tgid() >> 32;
	case TG_BY_UID:
		return (__u32)bpf_get_current_uid_gid();
	case TG_BY_CGROUP:
		return bpf_get_current_cgroup_id();
	case TG_BY_NETNS:
		return bpf_get_netns_cookie(ctx);
	case TG_BY_DESTINATION:
		return destination;
	default:
		return bpf_get_socket_cookie(ctx);
	}
}

static __always_inline __u64 tg_call_destination(const struct tg_call *call)
{
	const __u32 *addr_be = call->addr_be;

	return tg_destination_key((__u64)bpf_ntohl(addr_be[0]) << 32 | bpf_ntohl(addr_be[1]),
				  (__u64)bpf_ntohl(addr_be[2]) << 32 | bpf_ntohl(addr_be[3]),
				  bpf_ntohs(call->port_be));
}

/* A call for which no backend is up fails: it never goes where it asked to. */
static __always_inline int tg_aim_balance(struct tg_call *call, const struct tg_term *term,
					  struct tg_target *target)
{
	const struct tg_image_header *header = call->view.rows;
	const struct tg_more *more = tg_row(&call->view, term->more_row);
	__u32 table = TG_BLOCKS_TABLE(header->generation);
	struct tg_backend *backend;
	__u32 by;
	int place;

	if (!more)
		return -TG_EFAULT;
	by = more->by;
	if (call->op == TG_OP_SENDMSG && by == TG_BY_RANDOM)
		by = TG_BY_SOCKET;
	place = tg_balance_pick(table, more->block,
				tg_balance_key(call->ctx, by, tg_call_destination(call)));
	if (place == TG_NO_BACKEND) {
		target->error = term->error;
		return -(int)term->error;
	}
	backend = place < 0 ? 0 : tg_backend_at(table, (__u32)place);
	if (!backend)
		return -TG_EFAULT;
	__sync_fetch_and_add(&backend->picked, 1);
	tg_copy_addr(target->addr_be, backend->addr_be);
	if (backend->port_be)
		target->port_be = backend->port_be;
	return 0;
}

/* `target` is what was asked for until it is known better. */
static __always_inline int tg_aim(struct tg_call *call, const struct tg_term *term,
				  struct tg_target *target)
{
	if (TG_BALANCES && term->verb == TG_VERB_BALANCE)
		return tg_aim_balance(call, term, target);
	if (!tg_turns(term))
		return 0;
	if (term->effects & TG_EFFECT_TO_ADDR)
		tg_copy_addr(target->addr_be, term->to_addr_be);
	if (term->effects & TG_EFFECT_TO_PORT)
		target->port_be = term->to_port_be;
	return 0;
}

#endif
