/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * owner.h - who makes a connect or a bind.
 *
 * The calling task, unless the socket is a further subflow of an MPTCP socket that
 * is connected.  To connect to an address that the peer has announced, the kernel's
 * worker makes one, or a daemon that manages paths.  That is judged as a call of
 * the socket's owner, the task that has connected it.
 */
#ifndef TG_BPF_HOOK_OWNER_H
#define TG_BPF_HOOK_OWNER_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/context.h"
#include "bpf/hook/maps.h"
#include "bpf/hook/task.h"
#include "bpf/hook/verdict.h"
#include "bpf/layout/enums.h"
#include "bpf/layout/program_spec.h"

/* How deep cgroups that rules name may be. */
#define TG_CGROUP_DEPTHS 32

/* The members of the kernel's structs that are read here.  libbpf ignores the ending ___owner. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__u32 val;
} kuid_t;

struct kernfs_node {
	__u64 id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock_common___owner {
	volatile unsigned char skc_state;
};

struct sock___owner {
	struct sock_common___owner __sk_common;
	struct sock_cgroup_data sk_cgrp_data;
	kuid_t sk_uid;
};

struct inet_sock {
	struct sock___owner sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct mptcp_sock {
	struct inet_connection_sock sk;
};

#pragma clang attribute pop

/* Operations on further subflows. */
#define TG_OPS_OWNER (TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_BIND))

#define TG_HAS_OWNER(op) ((tg_spec.features & TG_FEATURE_OWNER) && (TG_OPS_OWNER >> (op)&1))

/* An enum in the kernel's net/tcp_states.h. */
#define TCP_SYN_SENT 2
#define TCP_CLOSE    7

/* No task has this number. */
#define TG_NOBODY 0xffffffffu

/* The MPTCP socket of a subflow, if there is one. */
static __always_inline struct mptcp_sock *tg_mptcp_of(struct bpf_sock_addr *ctx)
{
	if (TG_READ(ctx->protocol) != IPPROTO_TCP || !ctx->sk)
		return 0;
	return bpf_skc_to_mptcp_sock(ctx->sk);
}

/* Whether this is a further subflow.  The first one is made before the socket is connected. */
static __always_inline int tg_is_further(const struct mptcp_sock *mptcp)
{
	int state = mptcp->sk.icsk_inet.sk.__sk_common.skc_state;

	return state != TCP_CLOSE && state != TCP_SYN_SENT;
}

static __always_inline void tg_owner_is_caller(struct tg_owner *owner)
{
	__u64 ids = bpf_get_current_uid_gid();

	__builtin_memset(owner, 0, sizeof(*owner));
	owner->uid = (__u32)ids;
	owner->gid = ids >> 32;
	owner->pid = bpf_get_current_pid_tgid() >> 32;
	/* Zeros before: Linux 6.1 writes nothing after the NUL. */
	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
	tg_task_exe(&owner->exe[0], &owner->exe[1]);
}

/*
 * Find the owner, and remember who connects.  1: only his user is known, because no
 * program has seen the socket being connected.
 */
TG_GLOBAL int tg_owner_find(struct bpf_sock_addr *ctx, struct tg_owner *owner)
{
	struct tg_owner *kept;
	struct mptcp_sock *mptcp;

	if (!(tg_spec.features & TG_FEATURE_OWNER) || !owner)
		return 0;
	mptcp = tg_mptcp_of(ctx);
	if (mptcp && tg_is_further(mptcp)) {
		kept = bpf_sk_storage_get(&tg_owners, mptcp, 0, 0);
		if (kept) {
			*owner = *kept;
			return 0;
		}
		__builtin_memset(owner, 0, sizeof(*owner));
		owner->uid = mptcp->sk.icsk_inet.sk.sk_uid.val;
		owner->gid = owner->pid = TG_NOBODY;
		return 1;
	}
	tg_owner_is_caller(owner);
	if (!mptcp)
		return 0;
	/* Without memory the owner will be unknown. */
	kept = bpf_sk_storage_get(&tg_owners, mptcp, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (kept)
		*kept = *owner;
	return 0;
}

/* The keys of the owner.  TG_PLAIN_DENIAL: the call is refused, because only his user is known. */
static TG_SUBPROGRAM int tg_owner_keys(struct bpf_sock_addr *ctx, enum tg_op op,
				       struct tg_keys *keys)
{
	struct tg_owner owner = {};
	int unknown = tg_owner_find(ctx, &owner);

	keys->uid = owner.uid;
	keys->gid = owner.gid;
	keys->pid = owner.pid;
	keys->comm[0] = bpf_be64_to_cpu(owner.comm[0]);
	keys->comm[1] = bpf_be64_to_cpu(owner.comm[1]);
	return unknown && tg_denies_unknown(op) ? TG_PLAIN_DENIAL : 0;
}

/* The device (0) or inode (1) of the file that the owner executes. */
TG_GLOBAL __u64 tg_owner_exe(struct bpf_sock_addr *ctx, __u32 which)
{
	struct tg_owner owner = {};

	tg_owner_find(ctx, &owner);
	return which ? owner.exe[1] : owner.exe[0];
}

/*
 * The id of the cgroup at this depth that the owner is in.  For a further subflow it
 * is the socket's, whose programs the kernel runs.  0: it is not that deep.
 */
TG_GLOBAL __u64 tg_owner_cgroup(struct bpf_sock_addr *ctx, int depth)
{
	struct mptcp_sock *mptcp;
	struct cgroup_subsys_state *parent;
	struct cgroup *cgroup;

	mptcp = tg_spec.features & TG_FEATURE_OWNER ? tg_mptcp_of(ctx) : 0;
	if (!mptcp || !tg_is_further(mptcp))
		return bpf_get_current_ancestor_cgroup_id(depth);
	cgroup = mptcp->sk.icsk_inet.sk.sk_cgrp_data.cgroup;
	TG_ROLL
	for (int i = 0; i < TG_CGROUP_DEPTHS && cgroup && cgroup->level > depth; i++) {
		parent = cgroup->self.parent;
		cgroup = parent ? parent->cgroup : 0;
	}
	return cgroup && cgroup->level == depth && cgroup->kn ? cgroup->kn->id : 0;
}

#endif
