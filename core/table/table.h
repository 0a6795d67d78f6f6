/* SPDX-License-Identifier: MIT */
/*
 * table.h - a live table as its writers see it: rows, in a map that others
 * have too or in memory of our own, and the lock.
 *
 * What a table is for is in set.h; its layout in bpf/layout/table_layout.h.
 */
#ifndef TG_TABLE_TABLE_H
#define TG_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/layout/table_layout.h"

struct tg_table {
	struct tg_table_rows rows; /* mapped for writing */
	int fd;                    /* of the map; -1: it is memory */
	int lock_fd;               /* of the gate's lock file; -1: nobody else has the table */
	uint32_t number;           /* in the gate, and of the byte to lock */
};

/* Rows of zeros: in a map of the kernel's, or in memory.  tg_table_close() frees either. */
int tg_table_make_map(struct tg_table *table, const char *name, uint64_t rows);
int tg_table_make_memory(struct tg_table *table, uint64_t rows);
void tg_table_close(struct tg_table *table);

/*
 * Whether `outer`, a map of tables by their numbers, has this one; if it has,
 * take it out of there (another process that has the gate may have put another
 * in its place), and close it.  Who puts a table in, or takes one out, waits for
 * all programs that are under way, some 10 ms; who looks does not.
 */
bool tg_table_is_in(const struct tg_table *table, int outer);
void tg_table_take_out(struct tg_table *table, int outer); /* -1: there is no such map */

/*
 * The gate's lock file, in memory.  A lock belongs to a process, and goes with
 * it, whatever ends it.
 */
int tg_lock_file_make(int *fd);

int tg_table_lock(const struct tg_table *table);
void tg_table_unlock(const struct tg_table *table);

/* A row, to write to. */
static inline void *tg_table_at(const struct tg_table *table, uint64_t row)
{
	return (char *)table->rows.rows + row * TG_ROW_BYTES;
}

/* Now, in ticks of the monotonic clock: see TG_TICK_SHIFT. */
uint64_t tg_ticks_now(void);

/* When what lives for `ms` from now ends, in ticks; 0 for 0, which is for ever. */
uint64_t tg_ticks_after(uint64_t ms);

#endif
