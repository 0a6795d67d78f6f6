/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* maps.h - the maps of the programs.  Core sets sizes of 1 when it loads them. */
#ifndef TG_BPF_HOOK_MAPS_H
#define TG_BPF_HOOK_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"
#include "bpf/layout/table_layout.h"

/* The last images, each in the slot of its generation.  Core writes a slot that no program reads.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, TG_IMAGE_MAP_FLAGS);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, TG_ROW_BYTES);
} tg_images SEC(".maps");

/* TG_IN_FORCE(): to publish a policy is to write this word.  All objects of a set share it. */
__u64 tg_in_force SEC(".data.gate") = 0;

/* Hits by slot, in per-CPU copies: [copy * slots + slot]. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tg_hits);
} tg_hits SEC(".maps");

/* What each slot has besides its hits: the state of its log rate. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tg_slot);
} tg_slots SEC(".maps");

/* Outcomes of calls by hook, in per-CPU copies: [copy * TG_HOOK_COUNT + hook]. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tg_hook_totals);
} tg_totals SEC(".maps");

/* What each socket with redirected connects or datagrams had asked for; freed with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tg_origin);
} tg_origins SEC(".maps");

/* What each socket with a rewritten bind had asked for; accepted sockets inherit it. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct tg_local);
} tg_locals SEC(".maps");

/* The owner of each MPTCP socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tg_owner);
} tg_owners SEC(".maps");

/* What redirected datagrams to a socket's second and further destinations had asked for. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TG_SENT_ROOM);
	__type(key, struct tg_sent_key);
	__type(value, struct tg_asked_addr);
} tg_sents SEC(".maps");

/* The live tables, by number: arrays of rows, see bpf/layout/table_layout.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TG_MAX_TABLES);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, TG_TABLE_MAP_FLAGS);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, TG_ROW_BYTES);
		});
} tg_tables SEC(".maps");

/* A row of tg_rates. */
struct tg_rate_row {
	struct bpf_spin_lock lock;
	__u32 pad;
	struct tg_bucket way[TG_ASSOC_WAYS];
};

/* Token buckets of rates, one for each rule and whose calls it counts together. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TG_RATE_ROWS);
	__type(key, __u32);
	__type(value, struct tg_rate_row);
} tg_rates SEC(".maps");

/* A row of tg_clients. */
struct tg_sticky_row {
	struct bpf_spin_lock lock;
	__u32 pad;
	struct tg_client way[TG_ASSOC_WAYS];
};

/* Clients of sticky balance, and the backends that they stay with. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TG_STICKY_ROWS);
	__type(key, __u32);
	__type(value, struct tg_sticky_row);
} tg_clients SEC(".maps");

/* Decisions, one struct tg_event_record each, without its first word. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1);
} tg_events SEC(".maps");

#endif
