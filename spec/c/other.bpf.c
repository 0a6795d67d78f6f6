/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * other.bpf.c - programs of another owner that share a cgroup with a gate.  Each
 * does one thing to a connect() to port 60000, and nothing else.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORT         bpf_htons(60000)
#define EHOSTUNREACH 113

char LICENSE[] SEC("license") = "Dual MIT/GPL";

static int is_ours(struct bpf_sock_addr *ctx)
{
	return *(volatile __u32 *)&ctx->user_port == PORT;
}

SEC("cgroup/connect4")
int other_denies(struct bpf_sock_addr *ctx)
{
	return !is_ours(ctx);
}

SEC("cgroup/connect4")
int other_errno(struct bpf_sock_addr *ctx)
{
	if (!is_ours(ctx))
		return 1;
	bpf_set_retval(-EHOSTUNREACH);
	return 0;
}

/* Rewrites the address to 127.0.0.1. */
SEC("cgroup/connect4")
int other_rewrites(struct bpf_sock_addr *ctx)
{
	if (is_ours(ctx))
		ctx->user_ip4 = bpf_htonl(0x7f000001);
	return 1;
}

SEC("cgroup/connect4")
int other_allows(struct bpf_sock_addr *ctx __attribute__((unused)))
{
	return 1;
}
