/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* bind_source.h - binding a socket to the source that a term gives, before it connects. */
#ifndef TG_BPF_HOOK_BIND_SOURCE_H
#define TG_BPF_HOOK_BIND_SOURCE_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/verifier.h"
#include "bpf/hook/addr.h"
#include "bpf/hook/context.h"
#include "bpf/hook/verdict.h"
#include "bpf/layout/image_layout.h"

#define TG_SOCKADDR_IN_BYTES  16
#define TG_SOCKADDR_IN6_BYTES 28

/* A sockaddr of either family, as bpf_bind() takes it. */
struct tg_sockaddr {
	__u16 family;
	__u16 port_be;
	__u32 word_be[6]; /* AF_INET: the address; AF_INET6: flow, address, scope */
};

/* Whether the socket is already bound to the term's source, by an earlier attempt. */
static __always_inline int tg_source_holds(struct bpf_sock_addr *ctx, int is4,
					   const struct tg_term *term)
{
	struct bpf_sock *sk = ctx->sk;

	if (!sk || !sk->src_port)
		return 0;
	if (term->bind_source_port_be && bpf_htons(sk->src_port) != term->bind_source_port_be)
		return 0;
	if (is4)
		return sk->src_ip4 == term->bind_source_addr_be[3];
	return sk->src_ip6[0] == term->bind_source_addr_be[0] &&
	       sk->src_ip6[1] == term->bind_source_addr_be[1] &&
	       sk->src_ip6[2] == term->bind_source_addr_be[2] &&
	       sk->src_ip6[3] == term->bind_source_addr_be[3];
}

/* Bind to the term's source.  If that fails, the call fails: the rule promises the source. */
static __always_inline int tg_bind_source(struct bpf_sock_addr *ctx, int is4,
					  const struct tg_term *term,
					  const struct tg_target *target)
{
	struct tg_sockaddr source = {.port_be = term->bind_source_port_be};

	if (tg_source_holds(ctx, is4, term))
		return 0;
	/* The kernel fails likewise, except that from a mapped source it takes :: for 127.0.0.1. */
	if (tg_is_mapped(target->addr_be) != tg_is_mapped(term->bind_source_addr_be))
		return -TG_EAFNOSUPPORT;
	if (is4) {
		source.family = AF_INET;
		source.word_be[0] = term->bind_source_addr_be[3];
		return bpf_bind(ctx, (struct sockaddr *)&source, TG_SOCKADDR_IN_BYTES);
	}
	source.family = AF_INET6;
	tg_copy_addr(&source.word_be[1], term->bind_source_addr_be);
	return bpf_bind(ctx, (struct sockaddr *)&source, TG_SOCKADDR_IN6_BYTES);
}

/* Subprograms, so that the address has its own stack frame. */
static TG_SUBPROGRAM int tg_bind_source4(struct bpf_sock_addr *ctx, const struct tg_term *term,
					 const struct tg_target *target)
{
	return tg_bind_source(ctx, 1, term, target);
}

static TG_SUBPROGRAM int tg_bind_source6(struct bpf_sock_addr *ctx, const struct tg_term *term,
					 const struct tg_target *target)
{
	return tg_bind_source(ctx, 0, term, target);
}

#endif
