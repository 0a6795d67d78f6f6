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

/*
 * What a table was made for, and where its parts are.  Each process has its own copy, because what
 * is in the rows may be anything: whoever may change a table may write any bytes.
 */
struct tg_table_parts {
	uint32_t size; /* elements or VIPs that it has room for */
	uint64_t seed; /* of the hash */
	union {
		struct {
			uint64_t ttl_ms; /* of elements without one of their own; 0: for ever */
			uint32_t rows4, rows6;
		} set;
		struct {
			uint32_t units, vip_row, vip_rows, choice_row, bitmap_row;
		} services;
	};
};

struct tg_table {
	struct tg_table_rows rows; /* mapped; NULL: there is no table */
	bool in_map;               /* the rows are those of a kernel map, else in memory */
	int fd;                    /* of the map; -1: in memory, or this process gave it up */
	int lock_fd;               /* the gate's lock file; -1: nobody else has the table */
	uint32_t number;           /* in the gate; also of the byte that is its lock */
	struct tg_table_parts parts;
};

/* Make rows of zeros, in a kernel map or in memory.  tg_table_close() frees either. */
int tg_table_make_map(struct tg_table *table, const char *name, uint64_t rows);
int tg_table_make_memory(struct tg_table *table, uint64_t rows);
void tg_table_close(struct tg_table *table);

static inline bool tg_table_is_there(const struct tg_table *table)
{
	return table->rows.rows;
}

/*
 * Give up the descriptor of a table's map, which allows more than the rows need: to freeze
 * the map, to pin it.  `readonly`: and the right to write the rows.  If that fails, the
 * table is closed.
 */
int tg_table_restrict(struct tg_table *table, bool readonly);

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

/* Lock a byte of it.  -EBUSY, with a text: another process has had it for so many seconds. */
int tg_lock_file_lock(int fd, uint32_t number, uint32_t patience_s);
void tg_lock_file_unlock(int fd, uint32_t number);

/* -EBUSY: another process has had the lock for long. */
int tg_table_lock(const struct tg_table *table);
void tg_table_unlock(const struct tg_table *table);

/*
 * That lock does not stop other threads of the process.  A thread enters a table, by
 * its number, before it uses or closes it, and leaves it soon.
 */
void tg_table_enter(uint32_t number);
void tg_table_leave(uint32_t number);

/* How many rows of a ring of `count` a search from `home` passes before it is at `row`. */
static inline uint32_t tg_rows_passed(uint32_t home, uint32_t row, uint32_t count)
{
	return row >= home ? row - home : row + count - home;
}

/* A row, for writing. */
static inline void *tg_table_at(const struct tg_table *table, uint64_t row)
{
	return (char *)table->rows.rows + row * TG_ROW_BYTES;
}

/* Now, in ticks of CLOCK_BOOTTIME: see TG_TICK_SHIFT. */
uint64_t tg_ticks_now(void);

/* The tick at which something that lives for `ms` from now expires; 0 for 0, which is for ever. */
uint64_t tg_ticks_after(uint64_t ms);

#endif
