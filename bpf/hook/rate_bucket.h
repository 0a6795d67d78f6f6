/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * rate_bucket.h - the token buckets of rates (`over`), which only programs have.
 * The rate of a rule's log: tg_log_admits() in emit.h.
 */
#ifndef TG_BPF_HOOK_RATE_BUCKET_H
#define TG_BPF_HOOK_RATE_BUCKET_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/hash.h"
#include "bpf/engine/rate_match.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/assoc_cache.h"
#include "bpf/hook/count.h"
#include "bpf/hook/maps.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"

/* What identifies the calls that are counted together. */
static __always_inline __u64 tg_rate_value(__u64 per, __u64 address, __u64 netns)
{
	if (per == TG_PER_UID)
		return (__u32)bpf_get_current_uid_gid();
	if (per == TG_PER_CGROUP)
		return bpf_get_current_cgroup_id();
	if (per == TG_PER_PID)
		return bpf_get_current_pid_tgid() >> 32;
	if (per == TG_PER_NETNS)
		return netns;
	return per == TG_PER_ADDRESS ? address : 0;
}

TG_GLOBAL int tg_rate_exceeds(__u64 id, __u64 address, __u64 netns, __u64 interval, __u64 window)
{
	__u64 tag, now, from, early, evicts = 0;
	struct tg_bucket *bucket;
	struct tg_rate_row *row;
	__u32 index;

	if (!TG_RATES)
		return 0;
	tag = tg_mix128(id, tg_rate_value(id & 0xff, address, netns), id) | 1;
	index = TG_ASSOC_ROW(tag, TG_RATE_ROWS);
	row = bpf_map_lookup_elem(&tg_rates, &index);
	if (!row)
		return 0;
	now = TG_NOW_NS();
	bpf_spin_lock(&row->lock);
	/* The call's own bucket; else the one whose time passes first. */
	bucket = TG_ASSOC_ENTRY(row, tag);
	from = bucket->until_ns;
	if (bucket->tag != tag) {
		evicts = from > now;
		from = now;
		bucket->tag = tag;
	}
	early = from > now ? from - now : 0;
	if (early + interval <= window)
		bucket->until_ns = now + early + interval;
	else if (evicts)
		bucket->until_ns = now;
	bpf_spin_unlock(&row->lock);
	if (evicts)
		TG_COUNT(0, evicted);
	return early + interval > window;
}

#endif
