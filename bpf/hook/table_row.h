/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* table_row.h - the rows of live tables and of lists, as the engine reads them in a program. */
#ifndef TG_BPF_HOOK_TABLE_ROW_H
#define TG_BPF_HOOK_TABLE_ROW_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/shared_read.h"
#include "bpf/hook/maps.h"
#include "bpf/layout/backend_layout.h"

/* A row of a live table, or NULL. */
static __always_inline const void *tg_table_row(tg_table_ref table, __u64 row)
{
	__u32 index = row;
	void *map = bpf_map_lookup_elem(&tg_tables, &table);

	return map ? bpf_map_lookup_elem(map, &index) : 0;
}

/* A row of a live table, or of the image in a slot: TG_IMAGE_TABLE(). */
static __always_inline const void *tg_list_row(tg_table_ref table, __u64 row)
{
	__u32 key = table; /* one number for all: the stack is scarce */
	const char *at;

	if (table < TG_MAX_TABLES) {
		at = TG_SERVICES ? bpf_map_lookup_elem(&tg_tables, &key) : 0;
		key = row;
		return at ? bpf_map_lookup_elem((void *)at, &key) : 0;
	}
	key -= TG_MAX_TABLES;
	at = bpf_map_lookup_elem(&tg_images, &key);
	return at && row < tg_spec.rows ? at + row * TG_ROW_BYTES : 0;
}

#endif
