/* SPDX-License-Identifier: MIT */
/*
 * service.c - changing services that others read.
 *
 * Each change takes effect by one store of one state word; the VIP's key and its
 * backends are complete before.  See bpf/layout/service_layout.h.
 */
#include "table/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "bpf/engine/service_lookup.h"
#include "table/arena.h"

/* Twice as many places as VIPs, and some more. */
#define CAPACITY_TENTHS 24

static uint32_t vip_rows(uint32_t size)
{
	uint64_t rows = ((uint64_t)size * CAPACITY_TENTHS / 10 + TG_VIPS - 1) / TG_VIPS;

	return rows < TG_MAX_PASSED + 1 ? TG_MAX_PASSED + 1 : (uint32_t)rows;
}

/* Place the parts: rows of backends, VIPs, choices, and the bitmap.  Returns how many rows. */
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

struct tg_service_books *tg_service_books_of(const struct tg_table *table)
{
	return tg_table_at(table, 1);
}

static const struct tg_service_header *header_of(const struct tg_table *table)
{
	return tg_table_at(table, 0);
}

static struct tg_arena arena_of(const struct tg_table *table)
{
	const struct tg_service_header *header = header_of(table);

	return (struct tg_arena){
		.words = tg_table_at(table, header->bitmap_row),
		.count = header->units / TG_ARENA_WORD_UNITS,
		.hint = &tg_service_books_of(table)->hint,
	};
}

void tg_service_table_init(const struct tg_table *table, uint32_t size)
{
	struct tg_service_header *header = tg_table_at(table, 0);
	struct tg_arena arena;

	lay_out(size, header);
	if (getrandom(&header->seed, sizeof(header->seed), GRND_NONBLOCK) < 0)
		header->seed = TG_NOW_NS() ^ (uintptr_t)header;
	tg_service_books_of(table)->size = size;
	arena = arena_of(table);
	tg_arena_clear(&arena);
}

/* --- VIPs --------------------------------------------------------------------------------- */

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

/* The row that a VIP is in. */
static uint32_t row_number(const struct tg_table *table, const struct tg_vip *vip)
{
	return (uint32_t)(vip - row_of(table, 0)) / TG_VIPS;
}

/* Add to the `passed` count of each row from the VIP's home to the one before its own. */
static void add_to_passed(const struct tg_table *table, const struct tg_vip *vip, uint32_t change)
{
	uint32_t row = home_of(table, vip->addr[0], vip->addr[1], vip->what);

	for (; row != row_number(table, vip); row = next_row(table, row))
		__atomic_fetch_add(&row_of(table, row)->passed, change, __ATOMIC_SEQ_CST);
}

/* Write the key to a free VIP, which readers do not find yet; NULL: there is no room. */
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

/* Store the VIP's next state, with its backends at `unit`; 0: free the VIP. */
static void set_state(struct tg_vip *vip, uint32_t unit, uint32_t extent)
{
	bool owner_changes = !unit || !TG_VIP_UNIT(vip->state);
	uint64_t version = vip->state & TG_VIP_VERSION, owner = vip->state & TG_VIP_OWNER;

	version = (version + (1ull << TG_VIP_VERSION_SHIFT)) & TG_VIP_VERSION;
	owner += (uint64_t)owner_changes << TG_VIP_OWNER_SHIFT;
	__atomic_store_n(&vip->state,
			 owner | version | (uint64_t)extent << TG_VIP_EXTENT_SHIFT | unit,
			 __ATOMIC_SEQ_CST);
	/* The units of the previous backends must not be written to before this point. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* --- Backends ------------------------------------------------------------------------------- */

static uint32_t backend_count(const struct tg_vip *vip)
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

struct tg_backend_rows tg_service_backends(const struct tg_table_rows *table, uint64_t state)
{
	return rows_at(table, TG_VIP_UNIT(state), TG_EXTENT_BACKENDS(TG_VIP_EXTENT(state)));
}

/* The backends of a VIP; none for NULL. */
static struct tg_backend_rows backends_of(const struct tg_table *table, const struct tg_vip *vip)
{
	return vip ? tg_service_backends(&table->rows, vip->state) : (struct tg_backend_rows){0};
}

/*
 * Add to the backends' counts of picks those of the same backends in `from`.
 * `carried` is the part of these that has been added before.
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

/* Fill rows that nobody reads yet. */
static void write_backends(const struct tg_backend_rows *rows, const struct tg_backends *backends)
{
	memset(rows->choices, 0, tg_block_choice_rows(rows->count) * sizeof(*rows->choices));
	memset(rows->backends, 0, rows->count * sizeof(*rows->backends));
	tg_backend_rows_write(rows, backends);
}

/* Replace a VIP's backends by others at `unit`.  Carry over twice: picks go on meanwhile. */
static void change_backends(const struct tg_table *table, struct tg_vip *vip, uint32_t unit,
			    const struct tg_backends *backends)
{
	struct tg_backend_rows now = rows_at(&table->rows, unit, backends->count);
	struct tg_backend_rows before = backends_of(table, vip);
	uint64_t carried[TG_MAX_BACKENDS] = {0};

	write_backends(&now, backends);
	carry_over(&before, &now, carried);
	set_state(vip, unit, tg_backends_extent(backends));
	carry_over(&before, &now, carried);
}

/* --- Changes ------------------------------------------------------------------------------- */

int tg_service_table_put(const struct tg_table *table, const struct tg_vip_key *key,
			 const struct tg_backends *backends)
{
	struct tg_service_books *books = tg_service_books_of(table);
	struct tg_arena arena = arena_of(table);
	struct tg_vip *vip = find(table, key);
	uint32_t before = vip ? TG_VIP_UNIT(vip->state) : 0, count = vip ? backend_count(vip) : 0;
	uint32_t unit;

	if (!vip && books->count >= books->size)
		return -ENOSPC;
	unit = tg_arena_take(&arena, backends->count);
	if (!unit)
		return -ENOSPC;
	if (!vip) {
		vip = reserve(table, key);
		if (!vip) {
			tg_arena_give(&arena, unit, backends->count);
			return -ENOSPC;
		}
		add_to_passed(table, vip, 1);
		books->count++;
	}
	change_backends(table, vip, unit, backends);
	if (before)
		tg_arena_give(&arena, before, count);
	return 0;
}

int tg_service_table_remove(const struct tg_table *table, const struct tg_vip_key *key)
{
	struct tg_arena arena = arena_of(table);
	struct tg_vip *vip = find(table, key);
	uint32_t unit = vip ? TG_VIP_UNIT(vip->state) : 0, count = vip ? backend_count(vip) : 0;

	if (!vip)
		return 0;
	set_state(vip, 0, 0);
	add_to_passed(table, vip, (uint32_t)-1);
	tg_arena_give(&arena, unit, count);
	tg_service_books_of(table)->count--;
	return 1;
}

/* A writer died: undo what is not in effect yet, and count everything again. */
static int repair(const struct tg_table *table)
{
	struct tg_service_books *books = tg_service_books_of(table);
	uint32_t rows = header_of(table)->vip_rows;
	uint32_t *passed = calloc(rows, sizeof(*passed));
	struct tg_arena arena = arena_of(table);

	if (!passed)
		return tg_fail(-ENOMEM, "out of memory: no room to mend the services");
	books->count = 0;
	tg_arena_clear(&arena);
	for (uint32_t i = 0; i < rows * TG_VIPS; i++) {
		const struct tg_vip *vip = row_of(table, 0) + i;
		uint32_t unit = TG_VIP_UNIT(vip->state);
		uint32_t row = home_of(table, vip->addr[0], vip->addr[1], vip->what);

		if (!unit)
			continue;
		tg_arena_mark(&arena, unit, backend_count(vip));
		for (; row != i / TG_VIPS; row = next_row(table, row))
			passed[row]++;
		books->count++;
	}
	/* A count never drops below the true one, so that readers meanwhile find all VIPs. */
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
		*backends = backend_count(vip);
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
	*backends = backend_count(vip);
	return 1;
}

int tg_service_table_backend(const struct tg_table *table, const struct tg_vip_key *key,
			     uint32_t index, struct tg_backend_info *info)
{
	const struct tg_vip *vip = find(table, key);
	struct tg_backend_rows rows = backends_of(table, vip);

	if (index >= rows.count)
		return -ERANGE;
	tg_backend_rows_read(&rows, index, info);
	return 0;
}
