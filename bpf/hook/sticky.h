/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * sticky.h - clients that stay with the backend that they have.
 *
 * A client is identified by a key: a process, a user, a socket …  It stays for a
 * time after its last call, as long as its backend is in the list and up or
 * draining.  When a list changes, all other clients stay where they are.
 */
#ifndef TG_BPF_HOOK_STICKY_H
#define TG_BPF_HOOK_STICKY_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/pick.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/assoc_cache.h"
#include "bpf/hook/count.h"
#include "bpf/hook/maps.h"
#include "bpf/hook/table_row.h"
#include "bpf/layout/backend_layout.h"
#include "bpf/layout/program_spec.h"

/* What a client is, how long it stays, and of which slot, in one number; 0: no client stays. */
#define TG_STAYS(ms, by, slot)  ((__u64)(ms) << 32 | (__u64)(by) << 28 | (slot))
#define TG_STAYS_BY(stays)      ((__u32)(stays) >> 28)
#define TG_STAYS_CLIENTS(stays) ((__u32)(stays))
#define TG_STAYS_NS(stays)      (((stays) >> 32) * 1000000)

_Static_assert(TG_BYS <= 16, "four bits");

/*
 * A client calls: *by gets the client's key, and the backend to stay with.  If
 * the client is new, its key is the one that *by has.  A tag is never 0.
 */
TG_GLOBAL int tg_client_meet(__u64 tag, __u64 window_ns, struct tg_choice_by *by)
{
	__u32 index = TG_ASSOC_ROW(tag, TG_STICKY_ROWS);
	struct tg_client *client;
	struct tg_sticky_row *row;
	__u64 now, forgets;

	if (!TG_STICKY || !by)
		return 0;
	row = bpf_map_lookup_elem(&tg_clients, &index);
	if (!row)
		return 0;
	now = TG_NOW_NS();
	bpf_spin_lock(&row->lock);
	client = TG_ASSOC_ENTRY(row, tag);
	forgets = client->tag != tag && client->until_ns > now;
	if (client->tag != tag || client->until_ns <= now) {
		client->tag = tag;
		client->key = by->key;
		client->seed = TG_SEED_OF_NONE;
	}
	client->until_ns = now + window_ns;
	by->key = client->key;
	by->wanted = client->seed;
	bpf_spin_unlock(&row->lock);
	if (forgets)
		TG_COUNT(0, forgotten);
	return 0;
}

/* The client has this backend from now on. */
TG_GLOBAL int tg_client_keep(__u64 tag, __u64 seed)
{
	__u32 index = TG_ASSOC_ROW(tag, TG_STICKY_ROWS);
	struct tg_sticky_row *row = TG_STICKY ? bpf_map_lookup_elem(&tg_clients, &index) : 0;
	struct tg_client *client;

	if (!row)
		return 0;
	bpf_spin_lock(&row->lock);
	client = TG_ASSOC_ENTRY(row, tag);
	if (client->tag == tag)
		client->seed = seed;
	bpf_spin_unlock(&row->lock);
	return 0;
}

#endif
