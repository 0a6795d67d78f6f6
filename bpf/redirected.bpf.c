// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * redirected.bpf.c - the sockets that a gate has connected elsewhere.
 *
 * The kernel goes through what connects have left with their sockets, so these
 * are found in every network namespace, and none but these.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/hook/addr.h"
#include "bpf/layout/redirected_socket.h"

#define AF_INET6    10
#define IPPROTO_UDP 17

/* enum in the kernel's net/tcp_states.h; datagram sockets with a peer are ESTABLISHED, too. */
#define TCP_ESTABLISHED 1
#define TCP_TIME_WAIT   6
#define TCP_CLOSE       7
#define TCP_LISTEN      10

struct net {
	struct {
		unsigned int inum;
	} ns;
} __attribute__((preserve_access_index));

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	__u16 skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	struct {
		struct net *net;
	} skc_net;
	struct {
	} skc_v6_daddr, skc_v6_rcv_saddr; /* 16 bytes each */
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} __attribute__((preserve_access_index));

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
} __attribute__((preserve_access_index));

char LICENSE[] SEC("license") = "Dual MIT/GPL";

static __always_inline void tg_read_mapped(__u32 addr_be[4], __u32 v4_be)
{
	addr_be[0] = addr_be[1] = 0;
	addr_be[2] = TG_MAPPED_BE;
	addr_be[3] = v4_be;
}

static __always_inline void tg_read_socket(struct sock *sk, struct tg_turned *turned)
{
	turned->cookie = bpf_get_socket_cookie(sk);
	turned->netns = sk->__sk_common.skc_net.net->ns.inum;
	turned->family = sk->__sk_common.skc_family;
	turned->proto = sk->sk_protocol;
	turned->device = sk->__sk_common.skc_bound_dev_if;
	turned->peer_port_be = sk->__sk_common.skc_dport;
	turned->own_port_be = bpf_htons(sk->__sk_common.skc_num);
	if (turned->family == AF_INET6) {
		bpf_probe_read_kernel(turned->peer_addr_be, 16, &sk->__sk_common.skc_v6_daddr);
		bpf_probe_read_kernel(turned->own_addr_be, 16, &sk->__sk_common.skc_v6_rcv_saddr);
	} else {
		tg_read_mapped(turned->peer_addr_be, sk->__sk_common.skc_daddr);
		tg_read_mapped(turned->own_addr_be, sk->__sk_common.skc_rcv_saddr);
	}
}

static __always_inline int tg_is_connected(struct sock *sk, const struct tg_turned *turned)
{
	int state = sk->__sk_common.skc_state;

	if (!turned->peer_port_be)
		return 0;
	if (turned->proto == IPPROTO_UDP)
		return state == TCP_ESTABLISHED;
	return state != TCP_CLOSE && state != TCP_LISTEN && state != TCP_TIME_WAIT;
}

/* Whether the socket is where a turn has led it; if it has no peer yet, it may be on its way. */
static __always_inline int tg_is_there(const struct tg_turn *turn, const struct tg_turned *turned)
{
	if (!turned->connected)
		return turn->final_port_be != 0;
	return tg_turn_leads(turn, turned->peer_addr_be, turned->peer_port_be);
}

static __always_inline void tg_tell(struct seq_file *seq, const struct tg_turn *turn,
				    struct tg_turned *turned)
{
	tg_copy_addr(turned->asked_addr_be, turn->asked_addr_be);
	tg_copy_addr(turned->final_addr_be, turn->final_addr_be);
	turned->asked_port_be = turn->asked_port_be;
	turned->final_port_be = turn->final_port_be;
	bpf_seq_write(seq, turned, sizeof(*turned));
}

SEC("iter/bpf_sk_storage_map")
int turned(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct tg_forward *forward = ctx->value;
	struct tg_turned turned = {};
	struct sock *sk = ctx->sk;

	if (!sk || !forward)
		return 0;
	tg_read_socket(sk, &turned);
	turned.connected = tg_is_connected(sk, &turned);
	if (tg_is_there(&forward->last, &turned))
		tg_tell(ctx->meta->seq, &forward->last, &turned);
	else if (tg_is_there(&forward->before, &turned))
		tg_tell(ctx->meta->seq, &forward->before, &turned);
	return 0;
}
