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
#include "bpf/engine/hash.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/asked_before.h"
#include "bpf/hook/unix_context.h"
#include "bpf/hook/verdict.h"
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

/* The notes of rewritten calls, for the gates that judge them after this one. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tg_path_noted);
} tg_path_notes SEC(".maps");

static __always_inline int tg_same_path(const struct tg_unix_path *a, const struct tg_unix_path *b)
{
	__u64 differs = a->bytes ^ b->bytes;

	for (int i = 0; i < TG_PATH_WORDS; i++)
		differs |= a->words_be[i] ^ b->words_be[i];
	return !differs;
}

/* A hash of the path is enough: it is compared with that of one call. */
static __always_inline void tg_goal_of_path(const struct tg_unix_path *path, struct tg_goal *goal)
{
	__u64 hash = 0;

	for (int i = 0; i < TG_PATH_WORDS; i++)
		hash = tg_mix(hash ^ path->words_be[i]);
	goal->words[0] = path->words_be[0];
	goal->words[1] = hash;
	goal->words[2] = 1;
}

/*
 * Note what the program asked for, for the gates that judge the call after this.  1: another
 * gate had redirected the call to `path`; 0: the program has asked for it itself.
 */
static TG_SUBPROGRAM int tg_path_note(struct bpf_sock_addr *ctx, const struct tg_unix_path *path,
				      const struct tg_unix_path *final, enum tg_op op)
{
	struct tg_path_noted *own =
		bpf_sk_storage_get(&tg_path_notes, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct tg_goal goal;
	__u64 found;

	if (!own)
		return -TG_ENOMEM;
	tg_goal_of_path(path, &goal);
	found = tg_note_before(&own->note, &goal, op);
	if (!found || bpf_probe_read_kernel(&own->asked, sizeof(own->asked),
					    (void *)found + offsetof(struct tg_path_noted, asked)))
		own->asked = *path;
	tg_goal_of_path(final, &own->note.goal);
	return !!found;
}

/* A socket that keeps sending to one path writes once. */
static TG_SUBPROGRAM int tg_path_store(struct bpf_sock_addr *ctx, const struct tg_unix_path *asked,
				       const struct tg_unix_path *final)
{
	struct tg_path_rewrite rewrite = {.cookie = bpf_get_socket_cookie(ctx)};
	const struct tg_unix_path *known;

	__builtin_memcpy(rewrite.final, final->words_be, sizeof(rewrite.final));
	known = bpf_map_lookup_elem(&tg_path_rewrites, &rewrite);
	if (known && tg_same_path(known, asked))
		return 0;
	return bpf_map_update_elem(&tg_path_rewrites, &rewrite, asked, BPF_ANY) ? -TG_ENOMEM : 0;
}

/*
 * Remember where a call was redirected to.  What was asked for is read from the note only if
 * another gate had a part in it: another thread may write the note at once.
 */
static __always_inline int tg_path_keep(struct bpf_sock_addr *ctx, const struct tg_unix_path *path,
					const struct tg_unix_path *final, enum tg_op op)
{
	struct tg_path_noted *own = 0;
	int noted = tg_path_note(ctx, path, final, op);

	if (noted < 0)
		return noted;
	if (noted)
		own = bpf_sk_storage_get(&tg_path_notes, ctx->sk, 0, 0);
	return tg_path_store(ctx, own ? &own->asked : path, final);
}

/* A call asks for this path itself, or is to see it: from now on the path is shown. */
static TG_SUBPROGRAM void tg_path_forget(struct bpf_sock_addr *ctx,
					 const struct tg_unix_path *final)
{
	struct tg_path_rewrite rewrite = {.cookie = bpf_get_socket_cookie(ctx)};
	struct tg_path_noted *own = bpf_sk_storage_get(&tg_path_notes, ctx->sk, 0, 0);

	if (own)
		tg_note_drop(&own->note);
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
