// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * redirected.bpf.c - iterators over the sockets that a gate has redirected.
 *
 * The kernel walks what connects have stored with their sockets, so it finds
 * exactly these, in every network namespace.  A hardened kernel may refuse that
 * iterator, because such programs may also write what is stored.  There the files
 * of all processes are walked instead: that also finds the sockets of every network
 * namespace, several times if processes share them, but only those that some
 * process has open.  Linux 6.18.44 does not trust the socket of a file enough to pass it to
 * helpers, so what they would return is read from the kernel's own structs.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/verifier.h"
#include "bpf/hook/addr.h"
#include "bpf/hook/stored.h"
#include "bpf/layout/program_spec.h"
#include "bpf/layout/redirected_socket.h"

#define AF_INET6    10
#define IPPROTO_UDP 17

/* An enum in the kernel's net/tcp_states.h; datagram sockets with a peer are ESTABLISHED, too. */
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
		long long counter;
	} skc_cookie;
	struct {
	} skc_v6_daddr, skc_v6_rcv_saddr; /* 16 bytes each */
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} __attribute__((preserve_access_index));

struct socket {
	struct sock *sk;
} __attribute__((preserve_access_index));

struct file;
struct task_struct;
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
} __attribute__((preserve_access_index));

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} __attribute__((preserve_access_index));

/* What a connect has stored with its socket: the map of the same name in hook/maps.h. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tg_origin);
} tg_origins SEC(".maps");

/* The kernel's number of that map. */
const volatile __u32 tg_origins_id;

char LICENSE[] SEC("license") = "Dual MIT/GPL";

static __always_inline void tg_read_mapped(__u32 addr_be[4], __u32 v4_be)
{
	addr_be[0] = addr_be[1] = 0;
	addr_be[2] = TG_MAPPED_BE;
	addr_be[3] = v4_be;
}

static __always_inline void tg_read_socket(struct sock *sk, struct tg_redirected *redirected)
{
	redirected->cookie = sk->__sk_common.skc_cookie.counter;
	/* An MPTCP socket may have none, and is ended without it: any number of its own will do. */
	if (!redirected->cookie)
		redirected->cookie = (__u64)sk;
	redirected->netns = sk->__sk_common.skc_net.net->ns.inum;
	redirected->family = sk->__sk_common.skc_family;
	redirected->proto = sk->sk_protocol;
	redirected->device = sk->__sk_common.skc_bound_dev_if;
	redirected->peer_port_be = sk->__sk_common.skc_dport;
	redirected->own_port_be = bpf_htons(sk->__sk_common.skc_num);
	if (redirected->family == AF_INET6) {
		bpf_probe_read_kernel(redirected->peer_addr_be, 16, &sk->__sk_common.skc_v6_daddr);
		bpf_probe_read_kernel(redirected->own_addr_be, 16,
				      &sk->__sk_common.skc_v6_rcv_saddr);
	} else {
		tg_read_mapped(redirected->peer_addr_be, sk->__sk_common.skc_daddr);
		tg_read_mapped(redirected->own_addr_be, sk->__sk_common.skc_rcv_saddr);
	}
}

static __always_inline int tg_is_connected(struct sock *sk, const struct tg_redirected *redirected)
{
	int state = sk->__sk_common.skc_state;

	if (!redirected->peer_port_be)
		return 0;
	if (redirected->proto == IPPROTO_UDP)
		return state == TCP_ESTABLISHED;
	return state != TCP_CLOSE && state != TCP_LISTEN && state != TCP_TIME_WAIT;
}

/* Whether the socket is where it was redirected to; without a peer it may be about to connect. */
static __always_inline int tg_is_there(const struct tg_rewrite *rewrite,
				       const struct tg_redirected *redirected)
{
	if (!redirected->connected)
		return rewrite->final_port_be != 0;
	return tg_redirected_to(rewrite, redirected->peer_addr_be, redirected->peer_port_be);
}

static __always_inline void tg_report(struct seq_file *seq, const struct tg_rewrite *rewrite,
				      struct tg_redirected *redirected)
{
	tg_copy_addr(redirected->asked_addr_be, rewrite->judged.addr_be);
	tg_copy_addr(redirected->final_addr_be, rewrite->final_addr_be);
	redirected->asked_port_be = rewrite->judged.port_be;
	redirected->final_port_be = rewrite->final_port_be;
	bpf_seq_write(seq, redirected, sizeof(*redirected));
}

/* `last` and `before` are those of struct tg_origin. */
static __always_inline void tg_report_socket(struct seq_file *seq, struct sock *sk,
					     const struct tg_rewrite *last,
					     const struct tg_rewrite *before)
{
	struct tg_redirected redirected = {};

	tg_read_socket(sk, &redirected);
	redirected.connected = tg_is_connected(sk, &redirected);
	if (tg_is_there(last, &redirected))
		tg_report(seq, last, &redirected);
	else if (tg_is_there(before, &redirected))
		tg_report(seq, before, &redirected);
}

SEC("iter/bpf_sk_storage_map")
int redirected_by_storage(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct tg_origin *origin = ctx->value;
	struct sock *sk = ctx->sk;

	if (sk && origin)
		tg_report_socket(ctx->meta->seq, sk, &origin->last, &origin->before);
	return 0;
}

/* The address of what the gate has stored with a socket, or 0. */
static __always_inline __u64 tg_origin_of(__u64 sock)
{
	__u64 node = tg_stored_first(sock + TG_OFFSET(sock, sk_bpf_storage));

	TG_ROLL
	for (int i = 0; i < TG_STORED && node; i++) {
		__u64 element = tg_stored_at(&node);

		if (tg_map_id(element) == tg_origins_id)
			return TG_STORED_VALUE(element);
	}
	return 0;
}

SEC("iter/task_file")
int redirected_by_file(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket = file ? bpf_sock_from_file(file) : 0;
	struct sock *sk = socket ? socket->sk : 0;
	struct tg_rewrite last, before;
	__u64 origin = sk ? tg_origin_of((__u64)sk) : 0;

	if (!origin)
		return 0;
	if (bpf_probe_read_kernel(&last, sizeof(last),
				  (void *)origin + offsetof(struct tg_origin, last)) ||
	    bpf_probe_read_kernel(&before, sizeof(before),
				  (void *)origin + offsetof(struct tg_origin, before)))
		return 0;
	tg_report_socket(ctx->meta->seq, sk, &last, &before);
	return 0;
}
