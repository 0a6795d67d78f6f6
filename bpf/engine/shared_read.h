/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * shared_read.h - reading live tables while other processes write to them.
 *
 * The contract of readers and writers is in bpf/layout/table_layout.h.
 */
#ifndef TG_BPF_ENGINE_SHARED_READ_H
#define TG_BPF_ENGINE_SHARED_READ_H

#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

/*
 * TG_LOAD() reads a number that others may be writing.  TG_AFTER() is the
 * pointer, which cannot be used before `number` is known: weakly ordered
 * processors respect such a dependency.
 */
#ifdef __bpf__
#define TG_LOAD(place) (*(volatile __typeof__(place) *)&(place))
#define TG_AFTER(pointer, number)                                                                  \
	({                                                                                         \
		__u64 none_ = (number);                                                            \
		asm volatile("%0 &= 0" : "+r"(none_));                                             \
		(__typeof__(pointer))((const char *)(pointer) + none_);                            \
	})
#else
#define TG_LOAD(place)            __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define TG_AFTER(pointer, number) ((void)(number), (pointer))
#endif

/*
 * A table, as its reader refers to it.  A program has the table's number, and the
 * kernel checks each row; the simulator has the rows in memory.
 * tg_table_row() gives a row, or NULL if the table has no such row; tg_list_row() also
 * gives the rows of lists of backends, which may be in an image.
 */
#ifdef __bpf__
typedef __u32 tg_table_ref;

#define TG_TABLE(keys, number) (number)

/* Whether it is a live table, or an image; clang then drops what reads the other. */
#define TG_IS_LIVE(table)   ((table) < TG_MAX_TABLES)
#define TG_IS_BLOCKS(table) ((table) >= TG_MAX_TABLES)
#define TG_NOW_NS()         bpf_ktime_get_boot_ns()

/* Defined in bpf/hook/table_row.h. */
static __always_inline const void *tg_table_row(tg_table_ref table, __u64 row);
static __always_inline const void *tg_list_row(tg_table_ref table, __u64 row);
#else
#include <stdint.h>

/* Defined in core/base/boot_time.c. */
uint64_t tg_boot_ns(void);

struct tg_table_rows {
	const void *rows;
	__u32 count;
};

typedef const struct tg_table_rows *tg_table_ref;

#define TG_TABLE(keys, number) (&(keys)->tables[number])
#define TG_IS_LIVE(table)      1
#define TG_IS_BLOCKS(table)    1
#define TG_NOW_NS()            tg_boot_ns()

static inline const void *tg_table_row(tg_table_ref table, __u64 row)
{
	return table && row < table->count ? (const char *)table->rows + row * TG_ROW_BYTES : 0;
}

static inline const void *tg_list_row(tg_table_ref table, __u64 row)
{
	return tg_table_row(table, row);
}
#endif

#endif
