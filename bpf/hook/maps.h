/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* maps.h - the maps of the programs.  Sizes of 1 are set by the core at load. */
#ifndef TG_BPF_HOOK_MAPS_H
#define TG_BPF_HOOK_MAPS_H

#include "bpf/layout/event.h"
#include "bpf/layout/program_spec.h"

const volatile struct tg_spec tg_spec = {};

/* What the engine asks about the programs that it is part of: constants, once they are loaded. */
#define TG_VIEW_ROWS(view) tg_spec.rows
#define TG_SHADOWS         (tg_spec.features & TG_FEATURE_SHADOW)
#define TG_SETS            (tg_spec.features & TG_FEATURE_SETS)
#define TG_OWN_SETS        (tg_spec.features & TG_FEATURE_OWN_SETS)
#define TG_BALANCES        (tg_spec.features & TG_FEATURE_BALANCE)
#define TG_SERVICES        (tg_spec.features & TG_FEATURE_SERVICES)
#define TG_MANY            (tg_spec.features & TG_FEATURE_MANY)
#define TG_RATES           (tg_spec.features & TG_FEATURE_RATES)
#define TG_STICKY          (tg_spec.features & TG_FEATURE_STICKY)

#include "bpf/layout/table_layout.h"

#define TG_NOW_NS() bpf_ktime_get_ns()

/* The image in force: one map of one value.  Replacing it publishes a policy. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, TG_IMAGE_MAP_FLAGS);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, TG_ROW_BYTES);
		});
} tg_image SEC(".maps");

/* Hits by slot, a copy a stripe: [stripe * slots + slot]. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tg_hits);
} tg_hits SEC(".maps");

/* The rest of what is known of a slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tg_slot);
} tg_slots SEC(".maps");

/* What became of calls, by hook, a copy a stripe: [stripe * TG_HOOKS + hook]. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tg_hook_totals);
} tg_totals SEC(".maps");

/* What each socket that was connected or sent elsewhere had asked for; freed with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tg_origin);
} tg_origins SEC(".maps");

/* What each socket that was bound elsewhere had asked for; accepted sockets inherit it. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct tg_local);
} tg_locals SEC(".maps");

/* What datagrams to a socket's second and further destinations had asked for. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TG_SENT_ROOM);
	__type(key, struct tg_sent_key);
	__type(value, struct tg_sent);
} tg_sents SEC(".maps");

/* The live tables, by number: arrays of rows, see bpf/layout/table_layout.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TG_ALL_TABLES);
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

/* A row of a live table, or NULL. */
static __always_inline const void *tg_table_row(__u32 table, __u64 row)
{
	__u32 index = row;
	void *map = bpf_map_lookup_elem(&tg_tables, &table);

	return map ? bpf_map_lookup_elem(map, &index) : 0;
}

struct tg_rate_row {
	struct bpf_spin_lock lock;
	__u32 pad;
	struct tg_bucket way[TG_ASSOC_WAYS];
};

/* The rates that rules count, by whose calls they are. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TG_RATE_ROWS);
	__type(key, __u32);
	__type(value, struct tg_rate_row);
} tg_rates SEC(".maps");

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

/* Decisions, one struct tg_event each, less its first word. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1);
} tg_events SEC(".maps");

#endif
