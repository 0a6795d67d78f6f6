/* SPDX-License-Identifier: MIT */
/*
 * service.c - changing services that others read.
 *
 * What counts is one store of one state word; what is behind it, a VIP's key or
 * a list, is whole before.  See bpf/layout/service_layout.h.
 */
#include "table/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "table/arena.h"
#include "base/error.h"

/* Twice the room that the VIPs take, and some. */
#define ROOM_TENTHS 24

static uint32_t vip_rows(uint32_t size)
{
	uint64_t rows = ((uint64_t)size * ROOM_TENTHS / 10 + TG_VIPS - 1) / TG_VIPS;

	return rows < TG_MAX_PASSED + 1 ? TG_MAX_PASSED + 1 : (uint32_t)rows;
}

/* Where its parts are: rows of backends, of VIPs, of choices, and of the bitmap. */
static uint64_t lay_out(uint32_t size, struct tg_service_header *header)
{
	header->units = tg_arena_units(size);
	header->vip_row = TG_UNIT_BACKEND_ROW(header->units);
	header->vip_rows = vip_rows(size);
	header->choice_row = header->vip_row + header->vip_rows;
	header->bitmap_row = header->choice_row + header->units;
	return header->bitmap_row + header->units / (TG_ROW_BYTES * 8);
}

uint64_t tg_service_table_rows(uint32_t size)
{
	struct tg_service_header header;

	return lay_out(size, &header);
}

void tg_service_table_init(const struct tg_table *table, uint32_t size)
{
	struct tg_service_header *header = tg_table_at(table, 0);

	lay_out(size, header);
	if (getrandom(&header->seed, sizeof(header->seed), GRND_NONBLOCK) < 0)
		header->seed = TG_NOW_NS() ^ (uintptr_t)header;
	tg_service_books_of(table)->size = size;
	tg_arena_clear(table);
}

struct tg_service_books *tg_service_books_of(const struct tg_table *table)
{
	return tg_table_at(table, 1);
}

/* --- VIPs --------------------------------------------------------------------------------- */

static const struct tg_service_header *header_of(const struct tg_table *table)
{
	return tg_table_at(table, 0);
}

static struct tg_vip *row_of(const struct tg_table *table, uint32_t row)
{
	return tg_table_at(table, header_of(table)->vip_row + row);
}

static uint32_t home_of(const struct tg_table *table, uint64_t high, uint64_t low, uint32_t what)
{
	return tg_vip_home(header_of(table)->seed, high, low, what, header_of(table)->vip_rows);
}

static struct tg_vip *find(const struct tg_table *table, const struct tg_vip_key *key)
{
	int place = tg_vip_find(&table->rows, key->what, key->high, key->low);

	return place < 0 ? NULL : (struct tg_vip *)tg_vip_at(&table->rows, (uint32_t)place);
}

static uint32_t next_row(const struct tg_table *table, uint32_t row)
{
	return row + 1 < header_of(table)->vip_rows ? row + 1 : 0;
}

/* The row that a VIP stands in. */
static uint32_t stands_in(const struct tg_table *table, const struct tg_vip *vip)
{
	return (uint32_t)(vip - row_of(table, 0)) / TG_VIPS;
}

/* One more, or one less, that stands behind each row from its home to where it is. */
static void pass(const struct tg_table *table, const struct tg_vip *vip, uint32_t change)
{
	uint32_t row = home_of(table, vip->addr[0], vip->addr[1], vip->what);

	for (; row != stands_in(table, vip); row = next_row(table, row))
		__atomic_fetch_add(&row_of(table, row)->passed, change, __ATOMIC_SEQ_CST);
}

/* A free VIP with this key, that nobody finds yet; NULL: there is no room. */
static struct tg_vip *reserve(const struct tg_table *table, const struct tg_vip_key *key)
{
	uint32_t row = home_of(table, key->high, key->low, key->what);

	for (uint32_t passed = 0; passed <= TG_MAX_PASSED; passed++) {
		for (uint32_t i = 0; i < TG_VIPS; i++) {
			struct tg_vip *vip = row_of(table, row) + i;

			if (TG_VIP_UNIT(vip->state))
				continue;
			vip->addr[0] = key->high;
			vip->addr[1] = key->low;
			vip->what = key->what;
			return vip;
		}
		row = next_row(table, row);
	}
	return NULL;
}

/* The state that follows, with this list; unit 0: with none. */
static void set_state(struct tg_vip *vip, uint32_t unit, uint32_t extent)
{
	bool changes_hands = !unit || !TG_VIP_UNIT(vip->state);
	uint64_t version = vip->state & TG_VIP_VERSION, owner = vip->state & TG_VIP_OWNER;

	version = (version + (1ull << TG_VIP_VERSION_SHIFT)) & TG_VIP_VERSION;
	owner += (uint64_t)changes_hands << TG_VIP_OWNER_SHIFT;
	__atomic_store_n(&vip->state,
			 owner | version | (uint64_t)extent << TG_VIP_EXTENT_SHIFT | unit,
			 __ATOMIC_SEQ_CST);
	/* The units given up may be written to from now on: not before. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* --- Lists ---------------------------------------------------------------------------------- */

static uint32_t backends_of(const struct tg_vip *vip)
{
	return TG_EXTENT_BACKENDS(TG_VIP_EXTENT(vip->state));
}

static struct tg_backend_rows rows_at(const struct tg_table_rows *table, uint32_t unit,
				      uint32_t count)
{
	struct tg_list_at at = tg_unit_at(tg_table_row(table, 0), unit);

	return (struct tg_backend_rows){
		.choices = (struct tg_choices *)tg_table_row(table, at.choice_row),
		.backends = (struct tg_backend *)tg_table_row(table, at.backend_row),
		.count = count,
	};
}

struct tg_backend_rows tg_service_list(const struct tg_table_rows *table, uint64_t state)
{
	return rows_at(table, TG_VIP_UNIT(state), TG_EXTENT_BACKENDS(TG_VIP_EXTENT(state)));
}

/* The list of a VIP; empty: there is no such VIP. */
static struct tg_backend_rows rows_of(const struct tg_table *table, const struct tg_vip *vip)
{
	return vip ? tg_service_list(&table->rows, vip->state) : (struct tg_backend_rows){0};
}

/*
 * What those have been picked that were in the list before, less what has been
 * carried over already.
 */
static void carry_over(const struct tg_backend_rows *from, const struct tg_backend_rows *to,
		       uint64_t carried[TG_MAX_BACKENDS])
{
	for (uint32_t i = 0; i < to->count; i++) {
		const struct tg_backend *old = tg_backend_rows_find(from, i, &to->backends[i]);
		uint64_t picked = old ? __atomic_load_n(&old->picked, __ATOMIC_RELAXED) : 0;

		__atomic_fetch_add(&to->backends[i].picked, picked - carried[i], __ATOMIC_RELAXED);
		carried[i] = picked;
	}
}

/* The rows of a new list, that nobody reads yet. */
static void make_list(const struct tg_backend_rows *rows, const struct tg_backends *backends)
{
	memset(rows->choices, 0, tg_block_choice_rows(rows->count) * sizeof(*rows->choices));
	memset(rows->backends, 0, rows->count * sizeof(*rows->backends));
	tg_backend_rows_write(rows, backends);
}

/* A VIP has a list in place of another: what is picked meanwhile is counted, too. */
static void change_list(const struct tg_table *table, struct tg_vip *vip, uint32_t unit,
			const struct tg_backends *backends)
{
	struct tg_backend_rows now = rows_at(&table->rows, unit, backends->count);
	struct tg_backend_rows before = rows_of(table, vip);
	uint64_t carried[TG_MAX_BACKENDS] = {0};

	make_list(&now, backends);
	carry_over(&before, &now, carried);
	set_state(vip, unit, tg_backends_extent(backends));
	carry_over(&before, &now, carried);
}

/* --- Changes ------------------------------------------------------------------------------- */

int tg_service_table_put(const struct tg_table *table, const struct tg_vip_key *key,
			 const struct tg_backends *backends)
{
	struct tg_service_books *books = tg_service_books_of(table);
	struct tg_vip *vip = find(table, key);
	uint32_t before = vip ? TG_VIP_UNIT(vip->state) : 0, count = vip ? backends_of(vip) : 0;
	uint32_t unit;

	if (!vip && books->count >= books->size)
		return -ENOSPC;
	unit = tg_arena_take(table, backends->count);
	if (!unit)
		return -ENOSPC;
	if (!vip) {
		vip = reserve(table, key);
		if (!vip) {
			tg_arena_give(table, unit, backends->count);
			return -ENOSPC;
		}
		pass(table, vip, 1);
		books->count++;
	}
	change_list(table, vip, unit, backends);
	if (before)
		tg_arena_give(table, before, count);
	return 0;
}

int tg_service_table_remove(const struct tg_table *table, const struct tg_vip_key *key)
{
	struct tg_vip *vip = find(table, key);
	uint32_t unit = vip ? TG_VIP_UNIT(vip->state) : 0, count = vip ? backends_of(vip) : 0;

	if (!vip)
		return 0;
	set_state(vip, 0, 0);
	pass(table, vip, (uint32_t)-1);
	tg_arena_give(table, unit, count);
	tg_service_books_of(table)->count--;
	return 1;
}

/* A writer died: what is not in force is undone, and all is counted anew. */
static int repair(const struct tg_table *table)
{
	struct tg_service_books *books = tg_service_books_of(table);
	uint32_t rows = header_of(table)->vip_rows;
	uint32_t *passed = calloc(rows, sizeof(*passed));

	if (!passed)
		return tg_fail(-ENOMEM, "out of memory: no room to mend the services");
	books->count = 0;
	tg_arena_clear(table);
	for (uint32_t i = 0; i < rows * TG_VIPS; i++) {
		const struct tg_vip *vip = row_of(table, 0) + i;
		uint32_t unit = TG_VIP_UNIT(vip->state);
		uint32_t row = home_of(table, vip->addr[0], vip->addr[1], vip->what);

		if (!unit)
			continue;
		tg_arena_mark(table, unit, backends_of(vip));
		for (; row != i / TG_VIPS; row = next_row(table, row))
			passed[row]++;
		books->count++;
	}
	/* Never less than there are, so that whoever reads meanwhile finds them all. */
	for (uint32_t row = 0; row < rows; row++)
		__atomic_store_n(&row_of(table, row)->passed, passed[row], __ATOMIC_SEQ_CST);
	free(passed);
	return 0;
}

int tg_service_change(const struct tg_table *table)
{
	struct tg_service_books *books = tg_service_books_of(table);
	int error = tg_table_lock(table);

	if (error)
		return error;
	if (books->changing)
		error = repair(table);
	if (error) {
		tg_table_unlock(table);
		return error;
	}
	__atomic_store_n(&books->changing, 1, __ATOMIC_SEQ_CST);
	return 0;
}

void tg_service_change_end(const struct tg_table *table)
{
	__atomic_store_n(&tg_service_books_of(table)->changing, 0, __ATOMIC_SEQ_CST);
	tg_table_unlock(table);
}

/* --- Reading ------------------------------------------------------------------------------- */

int tg_service_table_next(const struct tg_table *table, uint64_t *at, struct tg_vip_key *key,
			  uint32_t *backends)
{
	uint64_t vips = (uint64_t)header_of(table)->vip_rows * TG_VIPS;

	for (; *at < vips; (*at)++) {
		const struct tg_vip *vip = row_of(table, 0) + *at;

		if (!TG_VIP_UNIT(vip->state))
			continue;
		*key = (struct tg_vip_key){vip->addr[0], vip->addr[1], vip->what, {0}};
		*backends = backends_of(vip);
		(*at)++;
		return 1;
	}
	return 0;
}

int tg_service_table_find(const struct tg_table *table, const struct tg_vip_key *key,
			  uint32_t *backends)
{
	const struct tg_vip *vip = find(table, key);

	if (!vip)
		return 0;
	*backends = backends_of(vip);
	return 1;
}

int tg_service_table_backend(const struct tg_table *table, const struct tg_vip_key *key,
			     uint32_t index, struct tg_backend_info *info)
{
	const struct tg_vip *vip = find(table, key);
	struct tg_backend_rows rows = rows_of(table, vip);

	if (index >= rows.count)
		return -ERANGE;
	tg_backend_rows_read(&rows, index, info);
	return 0;
}
