/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * assoc_cache.h - four-way associative caches: rows of four entries, each with a
 * tag and a time until which it is worth keeping.
 *
 * A new entry replaces the one of its row that expires first.
 */
#ifndef TG_BPF_HOOK_ASSOC_CACHE_H
#define TG_BPF_HOOK_ASSOC_CACHE_H

#include "bpf/layout/program_spec.h"

_Static_assert(TG_ASSOC_WAYS == 4, "TG_ASSOC_ENTRY() looks at four");

/*
 * The entry of a row that has this tag, or else the one to replace.  A macro,
 * because the row's lock is held: no function may be called.
 */
#define TG_ASSOC_ENTRY(row, wanted)                                                                \
	({                                                                                         \
		__typeof__(&(row)->way[0]) way_ = &(row)->way[0];                                  \
		if ((row)->way[1].until_ns < way_->until_ns)                                       \
			way_ = &(row)->way[1];                                                     \
		if ((row)->way[2].until_ns < way_->until_ns)                                       \
			way_ = &(row)->way[2];                                                     \
		if ((row)->way[3].until_ns < way_->until_ns)                                       \
			way_ = &(row)->way[3];                                                     \
		if ((row)->way[0].tag == (wanted))                                                 \
			way_ = &(row)->way[0];                                                     \
		if ((row)->way[1].tag == (wanted))                                                 \
			way_ = &(row)->way[1];                                                     \
		if ((row)->way[2].tag == (wanted))                                                 \
			way_ = &(row)->way[2];                                                     \
		if ((row)->way[3].tag == (wanted))                                                 \
			way_ = &(row)->way[3];                                                     \
		way_;                                                                              \
	})

/* The row of a tag.  A tag's lowest bit is always set, so that no tag is 0. */
#define TG_ASSOC_ROW(tag, rows) ((__u32)((tag) >> 1) % (rows))

#endif
