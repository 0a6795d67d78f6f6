/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* unix_decide.h - from a unix socket's call to the term that decides it. */
#ifndef TG_BPF_HOOK_UNIX_DECIDE_H
#define TG_BPF_HOOK_UNIX_DECIDE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/match.h"
#include "bpf/engine/path_rank.h"
#include "bpf/engine/shadow.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/decide.h"
#include "bpf/hook/rare_keys.h"
#include "bpf/hook/unix_context.h"
#include "bpf/layout/image_layout.h"

/*
 * The rank of the path that is asked for.  The path has its own stack frame
 * here: a caller that needs the path reads it again.
 */
static TG_SUBPROGRAM int tg_unix_rank(struct bpf_sock_addr *ctx, const struct tg_view *view,
				      __u64 section_row)
{
	struct tg_unix_path path;

	if (tg_unix_read(ctx, &path))
		return -TG_EFAULT;
	return tg_path_rank(view, section_row, path.words_be);
}

/* The rank of a path, and whether another program has refused the call: one argument. */
#define TG_UNIX_RANK(rank, refused) ((__u64)(refused) << 32 | (__u32)(rank))

/* Find the term that decides; `what` is TG_WHAT(), `rank` TG_UNIX_RANK().  See tg_match(). */
static TG_SUBPROGRAM int tg_unix_match(struct bpf_sock_addr *ctx, __u32 what,
				       const struct tg_view *view, __u64 rank,
				       struct tg_found *found)
{
	__u64 wanted = tg_spec.unix_keys[TG_WHAT_OP(what)];
	struct tg_keys keys = {
		.family = AF_UNIX, .path = (__u32)rank, .refused = (__u16)(rank >> 32)};
	int row = tg_unix_section(view, TG_WHAT_OP(what));
	const struct tg_section *section;

	found->term = 0;
	found->shadows = TG_NO_SHADOWS;
	if (!row)
		return 0;
	section = row > 0 ? tg_rows(view, (__u32)row, TG_SECTION_ROWS) : 0;
	if (!section)
		return -TG_EFAULT;
	tg_call_who(wanted, &keys);
	tg_call_netns(ctx, &keys);
	if (wanted & TG_RARE_KEYS && tg_rare_classify(ctx, what, view, section, &keys))
		return -TG_EFAULT;
	return tg_match(view, section, &keys, wanted, found);
}

#endif
