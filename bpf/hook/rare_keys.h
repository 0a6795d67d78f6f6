/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * rare_keys.h - the fields that few rules ask about.
 *
 * Each is classified as soon as it is read: all their values would take 90 bytes
 * of stack, of which there are 512.
 */
#ifndef TG_BPF_HOOK_RARE_KEYS_H
#define TG_BPF_HOOK_RARE_KEYS_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/match_sets.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/addr.h"
#include "bpf/hook/context.h"
#include "bpf/hook/owner.h"
#include "bpf/hook/table_row.h"
#include "bpf/hook/task.h"
#include "bpf/layout/enums.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"

/* The rare fields, as bits of 1 << enum tg_key. */
#define TG_RARE_KEYS (~0ull << TG_KEY_RARE)

/* Hook and operation in one number: a subprogram takes at most five arguments. */
#define TG_WHAT(hook, op)  ((hook) | (op) << 8)
#define TG_WHAT_HOOK(what) ((what)&0xff)
#define TG_WHAT_OP(what)   ((what) >> 8)

/* What classifying needs.  Made in the subprogram, so that its members are constants. */
struct tg_rare {
	struct bpf_sock_addr *ctx;
	struct bpf_sock *sk;
	const struct tg_view *view;
	const struct tg_section *section;
	struct tg_keys *keys;
	__u64 wanted;
};

static __always_inline int tg_rare_take(struct tg_rare *rare, enum tg_key key, int cls)
{
	return tg_take_rare(rare->view, rare->section, TG_MANY, rare->keys, key, cls);
}

static __always_inline int tg_rare_take32(struct tg_rare *rare, enum tg_key key, __u32 value)
{
	if (!(rare->wanted >> key & 1))
		return 0;
	return tg_rare_take(rare, key, tg_class32(rare->view, &rare->section->tree[key], value));
}

static __always_inline int tg_rare_take128(struct tg_rare *rare, enum tg_key key, __u64 high,
					   __u64 low)
{
	if (!(rare->wanted >> key & 1))
		return 0;
	return tg_rare_take(rare, key,
			    tg_class128(rare->view, &rare->section->tree[key], high, low));
}

/*
 * The address that the socket is bound to, or that a datagram is sent from;
 * 0.0.0.0 or :: if there is none.
 */
static __always_inline void tg_own_address(struct bpf_sock_addr *ctx, const struct bpf_sock *sk,
					   enum tg_hook hook, __u32 addr_be[4])
{
	if (tg_hook_is4(hook)) {
		addr_be[0] = 0;
		addr_be[1] = 0;
		addr_be[2] = TG_MAPPED_BE;
		addr_be[3] = hook == TG_HOOK_SENDMSG4 ? TG_READ(ctx->msg_src_ip4) : sk->src_ip4;
	} else if (hook == TG_HOOK_SENDMSG6) {
		addr_be[0] = TG_READ(ctx->msg_src_ip6[0]);
		addr_be[1] = TG_READ(ctx->msg_src_ip6[1]);
		addr_be[2] = TG_READ(ctx->msg_src_ip6[2]);
		addr_be[3] = TG_READ(ctx->msg_src_ip6[3]);
	} else {
		addr_be[0] = sk->src_ip6[0];
		addr_be[1] = sk->src_ip6[1];
		addr_be[2] = sk->src_ip6[2];
		addr_be[3] = sk->src_ip6[3];
	}
}

static __always_inline int tg_rare_from(struct tg_rare *rare, enum tg_hook hook)
{
	__u32 addr_be[4];
	int err;

	if (!(rare->wanted & (1ull << TG_KEY_SOURCE4 | 1ull << TG_KEY_SOURCE6)))
		return 0;
	tg_own_address(rare->ctx, rare->sk, hook, addr_be);
	tg_ask_own(rare->keys, tg_is_zero((__u64)addr_be[0] << 32 | addr_be[1]) &
				       tg_is_zero(addr_be[2] ^ TG_MAPPED_BE));
	err = tg_rare_take32(rare, TG_KEY_SOURCE4, bpf_ntohl(addr_be[3]));
	if (err)
		return err;
	return tg_rare_take128(rare, TG_KEY_SOURCE6,
			       (__u64)bpf_ntohl(addr_be[0]) << 32 | bpf_ntohl(addr_be[1]),
			       (__u64)bpf_ntohl(addr_be[2]) << 32 | bpf_ntohl(addr_be[3]));
}

static __always_inline __u64 tg_cgroup_at(struct bpf_sock_addr *ctx, enum tg_op op, int depth)
{
	return TG_HAS_OWNER(op) ? tg_owner_cgroup(ctx, depth)
				: bpf_get_current_ancestor_cgroup_id(depth);
}

/* The class of the deepest named cgroup that the task is in. */
static __always_inline int tg_rare_cgroup(struct tg_rare *rare, enum tg_op op)
{
	const struct tg_section *section = rare->section;
	int cls = 0;

	if (!(rare->wanted >> TG_KEY_CGROUP & 1))
		return 0;
	TG_ROLL
	for (__u32 i = 0; i < TG_CGROUP_LEVELS && i < section->levels && !cls; i++)
		cls = tg_class128(rare->view, &section->tree[TG_KEY_CGROUP],
				  tg_cgroup_at(rare->ctx, op, (int)section->level[i]), 0);
	return tg_rare_take(rare, TG_KEY_CGROUP, tg_forget(cls));
}

static __always_inline int tg_rare_exe(struct tg_rare *rare, enum tg_op op)
{
	__u64 device = 0, inode = 0;

	if (!(rare->wanted >> TG_KEY_EXE & 1))
		return 0;
	if (TG_HAS_OWNER(op)) {
		device = tg_owner_exe(rare->ctx, 0);
		inode = tg_owner_exe(rare->ctx, 1);
	} else {
		tg_task_exe(&device, &inode);
	}
	return tg_rare_take128(rare, TG_KEY_EXE, device, inode);
}

static __always_inline int tg_rare_netns(struct tg_rare *rare)
{
	if (!(rare->wanted >> TG_KEY_NETNS & 1))
		return 0;
	return tg_rare_take128(rare, TG_KEY_NETNS, bpf_get_netns_cookie(rare->ctx), 0);
}

/* Fill in the rare fields' part of `keys`; `what` is TG_WHAT(), a constant.  0 or -TG_EFAULT. */
static TG_SUBPROGRAM int tg_rare_classify(struct bpf_sock_addr *ctx, __u32 what,
					  const struct tg_view *view,
					  const struct tg_section *section, struct tg_keys *keys)
{
	struct tg_rare rare = {
		.ctx = ctx,
		.sk = ctx->sk,
		.view = view,
		.section = section,
		.keys = keys,
		.wanted = TG_UNIX_HOOKS >> TG_WHAT_HOOK(what) & 1
				  ? tg_spec.unix_keys[TG_WHAT_OP(what)]
				  : tg_spec.keys[TG_WHAT_OP(what)],
	};

	if (!rare.sk)
		return -TG_EFAULT;
	tg_start_rare(section, keys);
	if (tg_rare_cgroup(&rare, TG_WHAT_OP(what)) || tg_rare_exe(&rare, TG_WHAT_OP(what)) ||
	    tg_rare_netns(&rare) || tg_rare_take32(&rare, TG_KEY_TYPE, TG_READ(ctx->type)) ||
	    tg_rare_take32(&rare, TG_KEY_MARK, rare.sk->mark) ||
	    tg_rare_take32(&rare, TG_KEY_DEVICE, rare.sk->bound_dev_if) ||
	    tg_rare_take32(&rare, TG_KEY_SOURCE_PORT, rare.sk->src_port) ||
	    tg_rare_from(&rare, TG_WHAT_HOOK(what)))
		return -TG_EFAULT;
	return 0;
}

/* Note which sets have the socket's own address; `what` as above.  0 or -TG_EFAULT. */
static TG_SUBPROGRAM int tg_own_sets(struct bpf_sock_addr *ctx, __u32 what,
				     const struct tg_section *section, struct tg_keys *keys)
{
	const struct bpf_sock *sk = ctx->sk;
	__u32 addr_be[4];

	if (!sk)
		return -TG_EFAULT;
	tg_own_address(ctx, sk, TG_WHAT_HOOK(what), addr_be);
	keys->sets = tg_own_sets_with(section, keys,
				      (__u64)bpf_ntohl(addr_be[0]) << 32 | bpf_ntohl(addr_be[1]),
				      (__u64)bpf_ntohl(addr_be[2]) << 32 | bpf_ntohl(addr_be[3]));
	return 0;
}

#endif
