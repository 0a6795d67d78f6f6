/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* table_row.h - the rows of live tables, as the engine reads them in a program. */
#ifndef TG_BPF_HOOK_TABLE_ROW_H
#define TG_BPF_HOOK_TABLE_ROW_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/shared_read.h"
#include "bpf/hook/maps.h"

/* A row of a live table, or NULL. */
static __always_inline const void *tg_table_row(tg_table_ref table, __u64 row)
{
	__u32 index = row;
	void *map = bpf_map_lookup_elem(&tg_tables, &table);

	return map ? bpf_map_lookup_elem(map, &index) : 0;
}

#endif
