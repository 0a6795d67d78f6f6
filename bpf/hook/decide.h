/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* decide.h - from a call's context to the term that decides it. */
#ifndef TG_BPF_HOOK_DECIDE_H
#define TG_BPF_HOOK_DECIDE_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/match.h"
#include "bpf/engine/shadow.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/context.h"
#include "bpf/hook/maps.h"
#include "bpf/hook/owner.h"
#include "bpf/hook/rare_keys.h"
#include "bpf/hook/rate_bucket.h"
#include "bpf/hook/table_row.h"
#include "bpf/hook/verdict.h"
#include "bpf/layout/enums.h"
#include "bpf/layout/image_layout.h"

/* The keys of the calling task.  A helper is called only for what some term asks about. */
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
		__u64 comm[2] = {}; /* zeros: Linux 6.1 writes nothing after the NUL */

		bpf_get_current_comm(comm, sizeof(comm));
		keys->comm[0] = bpf_be64_to_cpu(comm[0]);
		keys->comm[1] = bpf_be64_to_cpu(comm[1]);
	}
}

/* The network namespace of the socket, if some rate is per namespace. */
static __always_inline void tg_call_netns(struct bpf_sock_addr *ctx, struct tg_keys *keys)
{
	if (tg_spec.features & TG_FEATURE_PER_NETNS)
		keys->netns = (__u32)bpf_get_netns_cookie(ctx);
}

/*
 * The image takes 0.0.0.0 for 127.0.0.1 and :: for ::1, as the kernel does.  A
 * bound socket is the exception: see tg_call_pin4().
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

static __always_inline void tg_call_keys(const struct tg_call *call, __u64 wanted,
					 struct tg_keys *keys)
{
	const __u32 *addr_be = call->addr_be;

	keys->is4 = tg_hook_is4(call->hook) | tg_mapped_bit(addr_be);
	keys->addr4 = bpf_ntohl(addr_be[3]);
	if (TG_OPS_EGRESS >> call->op & 1)
		tg_call_unspecified(call, keys);
	/* Trees take 0.0.0.0 for 127.0.0.1 and :: for ::1; tables do not. */
	if (TG_SETS && (TG_OPS_EGRESS >> call->op & 1))
		keys->addr4 |= TG_LOOPBACK4 & -tg_is_zero(keys->addr4);
	if (wanted & (1ull << TG_KEY_ADDR6) || TG_SETS || TG_RATES) {
		keys->addr6[0] = (__u64)bpf_ntohl(addr_be[0]) << 32 | bpf_ntohl(addr_be[1]);
		keys->addr6[1] = (__u64)bpf_ntohl(addr_be[2]) << 32 | bpf_ntohl(addr_be[3]);
	}
	if (TG_SETS && (TG_OPS_EGRESS >> call->op & 1))
		keys->addr6[1] |= tg_is_zero(keys->addr6[0] | keys->addr6[1]);
	keys->port = bpf_ntohs(call->port_be);
	keys->family = tg_hook_is4(call->hook) ? AF_INET : AF_INET6;
	if (wanted & (1ull << TG_KEY_PROTO) || TG_SERVICES)
		keys->proto = tg_call_proto(call->ctx);
	if (!TG_HAS_OWNER(call->op))
		tg_call_who(wanted, keys);
	tg_call_netns(call->ctx, keys);
}

/*
 * The image in force.  It stays as it is while the program runs, even if others are
 * published: core does not write its slot again before the program has ended.
 */
static __always_inline int tg_image_view(struct tg_view *view)
{
	__u32 slot = TG_IMAGE_SLOT(TG_LOAD(tg_in_force), tg_spec.images);

	view->rows = bpf_map_lookup_elem(&tg_images, &slot);
	return view->rows ? 0 : -TG_EFAULT;
}

/*
 * Find what decides; its term is NULL if the image says nothing about the operation.
 * TG_PLAIN_DENIAL: the call is refused; any other error: on_error decides.
 */
static __always_inline int tg_call_decide(struct tg_call *call, struct tg_found *found)
{
	__u64 wanted = tg_spec.keys[call->op];
	struct tg_keys keys = {.refused = TG_RATES ? tg_refused_before(call->op) : 0};
	const struct tg_section *section;
	struct tg_view view; /* not call->view: what a subprogram may write is no constant */
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
	if (TG_HAS_OWNER(call->op))
		err = tg_owner_keys(call->ctx, call->op, &keys);
	if (!err && wanted & TG_RARE_KEYS)
		err = tg_rare_classify(call->ctx, TG_WHAT(call->hook, call->op), &view, section,
				       &keys);
	if (!err && TG_OWN_SETS)
		err = tg_own_sets(call->ctx, TG_WHAT(call->hook, call->op), section, &keys);
	if (err)
		return err;
	return tg_match(&view, section, &keys, wanted, found);
}

#endif
