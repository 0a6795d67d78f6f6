/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* choose_target.h - where a term redirects a call: to its address, or to one of its backends. */
#ifndef TG_BPF_HOOK_CHOOSE_TARGET_H
#define TG_BPF_HOOK_CHOOSE_TARGET_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/hash.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/match.h"
#include "bpf/engine/pick.h"
#include "bpf/engine/service_lookup.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/addr.h"
#include "bpf/hook/context.h"
#include "bpf/hook/sticky.h"
#include "bpf/hook/table_row.h"
#include "bpf/layout/backend_layout.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"
#include "bpf/layout/service_layout.h"

/* Balance is a rewrite to a chosen target.  The verbs are neighbours: one comparison is enough. */
static __always_inline int tg_is_rewrite(const struct tg_term *term)
{
	__u32 verb = term->verb;

	if (!(tg_spec.features & TG_FEATURE_REWRITE))
		return 0;
	return TG_BALANCES ? verb - TG_VERB_REWRITE <= TG_VERB_BALANCE - TG_VERB_REWRITE
			   : verb == TG_VERB_REWRITE;
}

/*
 * The key by which a choice is made.  32 random bits are enough, because the
 * choice mixes them.
 */
TG_GLOBAL __u64 tg_balance_key(struct bpf_sock_addr *ctx, __u32 by, __u64 high, __u64 low,
			       __u32 port)
{
	switch (by) {
	case TG_BY_RANDOM:
		return bpf_get_prandom_u32();
	case TG_BY_PID:
		return bpf_get_current_pid_tgid() >> 32;
	case TG_BY_UID:
		return (__u32)bpf_get_current_uid_gid();
	case TG_BY_CGROUP:
		return bpf_get_current_cgroup_id();
	case TG_BY_NETNS:
		return bpf_get_netns_cookie(ctx);
	case TG_BY_DESTINATION:
		return tg_destination_key(high, low, port);
	default:
		return bpf_get_socket_cookie(ctx);
	}
}

/* An address as two numbers. */
static __always_inline void tg_addr_words(const __u32 addr_be[4], __u64 *high, __u64 *low)
{
	*high = (__u64)bpf_ntohl(addr_be[0]) << 32 | bpf_ntohl(addr_be[1]);
	*low = (__u64)bpf_ntohl(addr_be[2]) << 32 | bpf_ntohl(addr_be[3]);
}

/* Like tg_addr_words(), with 127.0.0.1 for 0.0.0.0 and ::1 for ::. */
static __always_inline void tg_target_words(const struct tg_target *target, __u64 *high, __u64 *low)
{
	tg_addr_words(target->addr_be, high, low);
	*low |= tg_is_zero(*high | *low);
	if (!*high && *low == 0xffffull << 32)
		*low |= TG_LOOPBACK4;
}

/* The tag of a call's client.  For a service each VIP has its own clients, of all its ports. */
static __always_inline __u64 tg_choose_client(struct bpf_sock_addr *ctx, __u64 stays,
					      const struct tg_service_pick *pick, __u32 port)
{
	__u64 service = 0, key;
	__u32 what;

	if (TG_SERVICES && pick->what) {
		what = (__u32)tg_service_what(pick);
		port = TG_VIP_PORT(what);
		service = tg_destination_key(pick->high, pick->low, port) ^ what;
	}
	key = tg_balance_key(ctx, TG_STAYS_BY(stays), pick->high, pick->low, port);
	return tg_mix128(TG_STAYS_CLIENTS(stays), service, key) | 1;
}

/* Choose a backend of a list of the image. */
static __always_inline void tg_choose_from_block(struct tg_service_pick *pick, __u32 block,
						 __u32 extent)
{
	__u32 backend_row = tg_block_at(block, extent).backend_row;
	struct tg_backend *backend = tg_draw(pick->table, backend_row, extent, pick->by);
	int place = 0;

	if (!backend) {
		place = tg_block_pick(pick->table, block, extent, pick->by.key, pick->by.wanted);
		backend = place < 0 ? 0 : tg_backend_at(pick->table, (__u32)place);
	}
	pick->place = backend ? 0 : place < 0 ? place : -TG_EFAULT;
	if (!backend)
		return;
	TG_COUNT_PICK(backend);
	tg_copy_addr(pick->addr_be, backend->addr_be);
	pick->port_be = backend->port_be;
}

/*
 * By what to choose, and among which backends, in one number: those of a list
 * whose block is at row `at` of a table; or, if the extent is TG_CHOOSE_SERVICE,
 * those of the live service that is asked for, with TG_SEEN() as `at`.
 */
#define TG_CHOOSE(by, table, extent, at)                                                           \
	((__u64)(at) << 32 | (__u64)(extent) << 16 | (__u64)(by) << 12 | (table))
#define TG_CHOOSE_TABLE(where)  ((__u32)(where)&0xfff)
#define TG_CHOOSE_BY(where)     ((__u32)(where) >> 12 & 0xf)
#define TG_CHOOSE_EXTENT(where) ((__u32)(where) >> 16)
#define TG_CHOOSE_AT(where)     ((__u32)((where) >> 32))
#define TG_CHOOSE_SERVICE       0xffffu

_Static_assert(TG_IMAGE_TABLE(TG_MAX_IMAGES) <= 0xfff && TG_EXTENT_BITS < 16, "room for all");

/*
 * Choose a backend.  `where` is TG_CHOOSE(), `stays` is TG_STAYS(); *target is
 * what was asked for, afterwards the backend.  0, TG_NO_BACKEND or -TG_EFAULT.
 */
TG_GLOBAL int tg_choose_backend(struct bpf_sock_addr *ctx, __u64 where, __u64 stays,
				struct tg_target *target)
{
	__u32 by = TG_CHOOSE_BY(where);
	struct tg_service_pick pick = {
		.table = TG_CHOOSE_TABLE(where),
		.by.wanted = by == TG_BY_RANDOM ? TG_SEED_OF_ANY : TG_SEED_OF_NONE,
		.place = TG_SEEN_PLACE(TG_CHOOSE_AT(where), TG_CHOOSE_TABLE(where)),
	};
	__u64 client = 0, high, low, seed;

	if (!TG_BALANCES || !target)
		return -TG_EFAULT;
	tg_target_words(target, &pick.high, &pick.low);
	if (TG_SERVICES && TG_CHOOSE_EXTENT(where) == TG_CHOOSE_SERVICE)
		pick.what =
			TG_VIP_WHAT(bpf_ntohs(target->port_be), TG_VIP_PROTO(tg_call_proto(ctx)));
	pick.by.key = tg_balance_key(ctx, by, pick.high, pick.low, bpf_ntohs(target->port_be));
	if (TG_STICKY && stays) {
		client = tg_choose_client(ctx, stays, &pick, bpf_ntohs(target->port_be));
		tg_client_meet(client, TG_STAYS_NS(stays), &pick.by);
	}
	if (TG_SERVICES && pick.what)
		tg_service_choose(&pick);
	else
		tg_choose_from_block(&pick, TG_CHOOSE_AT(where), TG_CHOOSE_EXTENT(where));
	if (pick.place < 0)
		return pick.place;
	if (TG_STICKY && client) {
		tg_addr_words(pick.addr_be, &high, &low);
		seed = tg_backend_seed(high, low, bpf_ntohs(pick.port_be));
		if (seed != pick.by.wanted)
			tg_client_keep(client, seed);
	}
	tg_copy_addr(target->addr_be, pick.addr_be);
	if (pick.port_be)
		target->port_be = pick.port_be;
	return 0;
}

/*
 * If no backend is up, the call fails: it never goes where it asked to go.  A
 * random choice goes by the socket for datagrams: so they stay with a backend,
 * and nothing has to remember which one that is.
 */
static __always_inline int tg_choose_balance(struct tg_call *call, const struct tg_found *found,
					     struct tg_target *target)
{
	const struct tg_term *term = found->term;
	const struct tg_image_header *header = call->view.rows;
	const struct tg_term_rest *rest = tg_row(&call->view, term->rest_row);
	__u64 where, stays = 0;
	__u32 by;
	int err;

	if (!rest)
		return -TG_EFAULT;
	by = rest->by;
	if (call->op == TG_OP_SENDMSG && by == TG_BY_RANDOM)
		by = TG_BY_SOCKET;
	where = TG_CHOOSE(by, TG_IMAGE_TABLE(TG_IMAGE_SLOT(header->generation, tg_spec.images)),
			  rest->extent, rest->block);
	if (TG_SERVICES && rest->services)
		where = TG_CHOOSE(by, rest->services - 1, TG_CHOOSE_SERVICE, found->vip);
	if (TG_STICKY && rest->sticky_ms)
		stays = TG_STAYS(rest->sticky_ms, rest->sticky_by, term->slot);
	tg_call_judged(call, target->addr_be);
	err = tg_choose_backend(call->ctx, where, stays, target);
	if (err != TG_NO_BACKEND)
		return err;
	target->error = term->error;
	return -(int)term->error;
}

/*
 * Set the target, which is what was asked for until now.  Without branches: the
 * verifier would follow each way through all that comes after.
 */
static __always_inline int tg_choose_target(struct tg_call *call, const struct tg_found *found,
					    struct tg_target *target)
{
	const struct tg_term *term = found->term;
	__u32 addr, port;

	if (TG_BALANCES && term->verb == TG_VERB_BALANCE)
		return tg_choose_balance(call, found, target);
	if (!(tg_spec.features & TG_FEATURE_REWRITE))
		return 0;
	addr = term->effects & -tg_is_zero(term->verb ^ TG_VERB_REWRITE);
	port = -(addr >> 1 & 1);
	addr = -(addr & 1);
	TG_UNROLL
	for (int i = 0; i < 4; i++)
		target->addr_be[i] ^= (target->addr_be[i] ^ term->to_addr_be[i]) & addr;
	target->port_be ^= (target->port_be ^ term->to_port_be) & port;
	return 0;
}

_Static_assert(TG_EFFECT_TO_ADDR == 1 && TG_EFFECT_TO_PORT == 2,
	       "the masks are made of these bits");

#endif
