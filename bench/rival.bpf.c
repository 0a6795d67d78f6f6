/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * rival.bpf.c - what Tidegate is compared with: hand-written programs, each of which does only one
 * job.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/rival_layout.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* The verifier accepts only whole 32-bit reads of these fields. */
#define READ(field) (*(volatile __u32 *)&(field))

/* Endpoints and their verdicts. The size of each map is set when it is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct rival_endpoint);
	__type(value, __u32);
} endpoints SEC(".maps");

/* Addresses and their verdicts. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct rival_prefix4);
	__type(value, __u32);
} trie4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct rival_prefix6);
	__type(value, __u32);
} trie6 SEC(".maps");

/* VIPs and their backends. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct rival_endpoint);
	__type(value, struct rival_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rival_endpoint);
} backends SEC(".maps");

/* As much memory as many services need, in rows of one cache line. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, RIVAL_ROW_BYTES);
} rows SEC(".maps");

/* The cheapest program that there can be. */
SEC("cgroup/connect4")
int allow4(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return 1;
}

SEC("cgroup/connect6")
int allow6(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return 1;
}

SEC("cgroup/connect4")
int deny4(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return 0;
}

SEC("cgroup/connect4")
int rewrite4(struct bpf_sock_addr *ctx)
{
	if (READ(ctx->user_ip4) == bpf_htonl(RIVAL_FROM_ADDR) &&
	    READ(ctx->user_port) == bpf_htons(RIVAL_FROM_PORT)) {
		ctx->user_ip4 = bpf_htonl(RIVAL_TO_ADDR);
		ctx->user_port = bpf_htons(RIVAL_TO_PORT);
	}
	return 1;
}

SEC("cgroup/connect4")
int hash4(struct bpf_sock_addr *ctx)
{
	struct rival_endpoint key = {
		.addr_be = READ(ctx->user_ip4),
		.port_be = READ(ctx->user_port),
		.proto = READ(ctx->protocol),
	};
	__u32 *verdict = bpf_map_lookup_elem(&endpoints, &key);

	return verdict ? *verdict & 1 : 1;
}

SEC("cgroup/connect4")
int set4(struct bpf_sock_addr *ctx)
{
	__u32 addr_be = READ(ctx->user_ip4);
	__u32 *verdict = bpf_map_lookup_elem(&addresses, &addr_be);

	return verdict ? *verdict & 1 : 1;
}

SEC("cgroup/connect4")
int lpm4(struct bpf_sock_addr *ctx)
{
	struct rival_prefix4 key = {.length = 32, .addr_be = READ(ctx->user_ip4)};
	__u32 *verdict = bpf_map_lookup_elem(&trie4, &key);

	return verdict ? *verdict & 1 : 1;
}

/* A balancer: look up the VIP, then one of its backends at random, as Cilium does. */
SEC("cgroup/connect4")
int balance4(struct bpf_sock_addr *ctx)
{
	struct rival_endpoint key = {
		.addr_be = READ(ctx->user_ip4),
		.port_be = READ(ctx->user_port),
		.proto = READ(ctx->protocol),
	};
	struct rival_service *service = bpf_map_lookup_elem(&services, &key);
	struct rival_endpoint *backend;
	__u32 index;

	if (!service || !service->count)
		return 1;
	index = service->first + bpf_get_prandom_u32() % service->count;
	backend = bpf_map_lookup_elem(&backends, &index);
	if (!backend)
		return 0;
	ctx->user_ip4 = backend->addr_be;
	ctx->user_port = backend->port_be;
	return 1;
}

/* Not a balancer: read one row, chosen by the address. No lookup in a table of that size is
 * cheaper. */
SEC("cgroup/connect4")
int row4(struct bpf_sock_addr *ctx)
{
	__u32 index = READ(ctx->user_ip4) * 0x9e3779b1u >> (32 - RIVAL_ROW_BITS);
	volatile __u32 *row = bpf_map_lookup_elem(&rows, &index);

	return row ? !(*row & 1) : 1;
}

SEC("cgroup/connect6")
int lpm6(struct bpf_sock_addr *ctx)
{
	struct rival_prefix6 key = {
		.length = 128,
		.addr_be = {READ(ctx->user_ip6[0]), READ(ctx->user_ip6[1]), READ(ctx->user_ip6[2]),
			    READ(ctx->user_ip6[3])},
	};
	__u32 *verdict = bpf_map_lookup_elem(&trie6, &key);

	return verdict ? *verdict & 1 : 1;
}
