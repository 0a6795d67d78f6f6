/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unix_origin.h - what a redirected unix socket had asked for.
 *
 * It is found by the cookie of the socket that asked and by the path that the
 * kernel reports.  recvmsg sees that socket.  getpeername sees only its peer: on
 * a connection the peer's own peer is the asking socket, and can be no other.  A
 * datagram socket may be the peer of many, and nothing shows which of them asks:
 * then the real path is shown, as it is whenever nothing is found.
 */
#ifndef TG_BPF_HOOK_UNIX_ORIGIN_H
#define TG_BPF_HOOK_UNIX_ORIGIN_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/unix_context.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"

#define SOCK_STREAM    1
#define SOCK_SEQPACKET 5

/* The paths that were asked for.  Not in maps.h, because only unix.bpf.c has this map. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TG_PATH_REWRITES);
	__type(key, struct tg_path_rewrite);
	__type(value, struct tg_unix_path);
} tg_path_rewrites SEC(".maps");

static __always_inline int tg_same_path(const struct tg_unix_path *a, const struct tg_unix_path *b)
{
	__u64 differs = a->bytes ^ b->bytes;

	for (int i = 0; i < TG_PATH_WORDS; i++)
		differs |= a->words_be[i] ^ b->words_be[i];
	return !differs;
}

/* Remember where a call was redirected to.  A socket that keeps sending there writes once. */
static TG_SUBPROGRAM int tg_path_keep(struct bpf_sock_addr *ctx, const struct tg_unix_path *path,
				      const struct tg_unix_path *final)
{
	struct tg_path_rewrite rewrite = {.cookie = bpf_get_socket_cookie(ctx)};
	const struct tg_unix_path *known;

	__builtin_memcpy(rewrite.final, final->words_be, sizeof(rewrite.final));
	known = bpf_map_lookup_elem(&tg_path_rewrites, &rewrite);
	if (known && tg_same_path(known, path))
		return 0;
	return bpf_map_update_elem(&tg_path_rewrites, &rewrite, path, BPF_ANY);
}

/* A call asks for this path itself, or is to see it: from now on the path is shown. */
static TG_SUBPROGRAM void tg_path_forget(struct bpf_sock_addr *ctx,
					 const struct tg_unix_path *final)
{
	struct tg_path_rewrite rewrite = {.cookie = bpf_get_socket_cookie(ctx)};

	__builtin_memcpy(rewrite.final, final->words_be, sizeof(rewrite.final));
	bpf_map_delete_elem(&tg_path_rewrites, &rewrite);
}

/* The cookie of the socket that asks for its peer's name; 0: unknown. */
static __always_inline __u64 tg_asker_cookie(struct bpf_sock_addr *ctx)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
	struct sock *peer = kern->sk;
	__u16 type = BPF_CORE_READ(peer, sk_type);
	struct sock *asker;

	if (type != SOCK_STREAM && type != SOCK_SEQPACKET)
		return 0;
	asker = BPF_CORE_READ((struct unix_sock *)peer, peer);
	return asker ? BPF_CORE_READ(asker, __sk_common.skc_cookie.counter) : 0;
}

/* Report what was asked for.  1: nothing was rewritten, and there is a path to report. */
static TG_SUBPROGRAM int tg_path_show(struct bpf_sock_addr *ctx, __u64 cookie)
{
	struct tg_path_rewrite rewrite = {.cookie = cookie};
	const struct tg_unix_path *asked;
	struct tg_unix_path reported;

	if (tg_unix_read(ctx, &reported) || !reported.bytes)
		return 0;
	if (!cookie || !(tg_spec.features & TG_FEATURE_PATH_BACK))
		return 1;
	__builtin_memcpy(rewrite.final, reported.words_be, sizeof(rewrite.final));
	asked = bpf_map_lookup_elem(&tg_path_rewrites, &rewrite);
	if (!asked)
		return 1;
	tg_unix_write(ctx, asked);
	return 0;
}

#endif
