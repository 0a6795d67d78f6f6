/* SPDX-License-Identifier: MIT */
/*
 * table.h - a live table as its writers see it: its rows, in a map that is
 * shared with others or in memory of our own, and its lock.
 *
 * What tables hold is in set.h and service.h; their layout is in
 * bpf/layout/table_layout.h.
 */
#ifndef TG_TABLE_TABLE_H
#define TG_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/engine/shared_read.h"
#include "bpf/layout/table_layout.h"

struct tg_table {
	struct tg_table_rows rows; /* mapped for writing */
	int fd;                    /* of the map; -1: it is in memory */
	int lock_fd;               /* the gate's lock file; -1: nobody else has the table */
	uint32_t number;           /* in the gate; also of the byte that is its lock */
};

/* Make rows of zeros, in a kernel map or in memory.  tg_table_close() frees either. */
int tg_table_make_map(struct tg_table *table, const char *name, uint64_t rows);
int tg_table_make_memory(struct tg_table *table, uint64_t rows);
void tg_table_close(struct tg_table *table);

/*
 * `outer` is a map of tables by their number, or -1 if there is none.
 * tg_table_is_in() returns whether it has this table at the table's number:
 * another process that has the gate may have put another one there.
 * tg_table_take_out() deletes the table from it, if it is there, and closes the
 * table.  Inserting or deleting waits for running programs (about 10 ms); a
 * lookup does not.
 */
bool tg_table_is_in(const struct tg_table *table, int outer);
void tg_table_take_out(struct tg_table *table, int outer);

/*
 * Make a gate's lock file, in memory.  A lock belongs to a process, and is
 * released when the process ends, for whatever reason.
 */
int tg_lock_file_make(int *fd);

int tg_table_lock(const struct tg_table *table);
void tg_table_unlock(const struct tg_table *table);

/* A row, for writing. */
static inline void *tg_table_at(const struct tg_table *table, uint64_t row)
{
	return (char *)table->rows.rows + row * TG_ROW_BYTES;
}

/* Now, in ticks of the monotonic clock: see TG_TICK_SHIFT. */
uint64_t tg_ticks_now(void);

/* The tick at which something that lives for `ms` from now expires; 0 for 0, which is for ever. */
uint64_t tg_ticks_after(uint64_t ms);

#endif
