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
static uint64_t lay_out(uint32_t size, struct tg_table_parts *parts)
{
	parts->size = size;
	parts->services.units = tg_arena_units(size);
	parts->services.vip_row = TG_UNIT_BACKEND_ROW(parts->services.units);
	parts->services.vip_rows = vip_rows(size);
	parts->services.choice_row = parts->services.vip_row + parts->services.vip_rows;
	parts->services.bitmap_row = parts->services.choice_row + parts->services.units;
	return parts->services.bitmap_row + parts->services.units / (TG_ROW_BYTES * 8);
}

uint64_t tg_service_table_rows(uint32_t size)
{
	struct tg_table_parts parts;

	return lay_out(size, &parts);
}

struct tg_service_books *tg_service_books_of(const struct tg_table *table)
{
	return tg_table_at(table, 1);
}

/* What readers are told of the parts. */
static struct tg_service_header header_of(const struct tg_table *table)
{
	const struct tg_table_parts *parts = &table->parts;

	return (struct tg_service_header){
		.seed = parts->seed,
		.vip_row = parts->services.vip_row,
		.vip_rows = parts->services.vip_rows,
		.units = parts->services.units,
		.choice_row = parts->services.choice_row,
		.bitmap_row = parts->services.bitmap_row,
		.wide = tg_service_books_of(table)->wide != 0,
	};
}

static void write_header(const struct tg_table *table)
{
	struct tg_service_header *header = tg_table_at(table, 0);

	*header = header_of(table);
}

/* Some VIPs are wide from now on, or none are any more. */
static void tell_wide(const struct tg_table *table, bool wide)
{
	struct tg_service_header *header = tg_table_at(table, 0);

	__atomic_store_n(&header->wide, wide, __ATOMIC_SEQ_CST);
}

static struct tg_arena arena_of(const struct tg_table *table)
{
	return (struct tg_arena){
		.words = tg_table_at(table, table->parts.services.bitmap_row),
		.count = table->parts.services.units / TG_ARENA_WORD_UNITS,
		.hint = &tg_service_books_of(table)->hint,
	};
}

void tg_service_table_init(struct tg_table *table, uint32_t size)
{
	struct tg_table_parts *parts = &table->parts;
	struct tg_arena arena;

	lay_out(size, parts);
	if (getrandom(&parts->seed, sizeof(parts->seed), GRND_NONBLOCK) < 0)
		parts->seed = TG_NOW_NS() ^ (uintptr_t)parts;
	write_header(table);
	arena = arena_of(table);
	tg_arena_clear(&arena);
}

/* --- VIPs --------------------------------------------------------------------------------- */

static struct tg_vip *row_of(const struct tg_table *table, uint32_t row)
{
	return tg_table_at(table, table->parts.services.vip_row + row);
}

static uint32_t home_of(const struct tg_table *table, uint64_t high, uint64_t low, uint32_t what)
{
	return tg_vip_home(table->parts.seed, high, low, what, table->parts.services.vip_rows);
}

/* As readers find it; but what they are told of the parts may be wrong. */
static struct tg_vip *find(const struct tg_table *table, const struct tg_vip_key *key)
{
	int place = tg_vip_find(&table->rows, key->what, key->high, key->low);
	uint32_t row = (uint32_t)place / TG_VIPS - table->parts.services.vip_row;

	if (place < 0 || row >= table->parts.services.vip_rows)
		return NULL;
	return row_of(table, row) + place % TG_VIPS;
}

static uint32_t next_row(const struct tg_table *table, uint32_t row)
{
	return row + 1 < table->parts.services.vip_rows ? row + 1 : 0;
}

/* The row that a VIP is in. */
static uint32_t row_number(const struct tg_table *table, const struct tg_vip *vip)
{
	return (uint32_t)(vip - row_of(table, 0)) / TG_VIPS;
}

/*
 * Add to the `passed` count of each row from the VIP's home to the one before its own.  A VIP that
 * is further from it than a writer would go is damaged, and counts nowhere.
 */
static void add_to_passed(const struct tg_table *table, const struct tg_vip *vip, uint32_t change)
{
	uint32_t row = home_of(table, vip->addr[0], vip->addr[1], vip->what);
	uint32_t end = row_number(table, vip);

	if (tg_rows_passed(row, end, table->parts.services.vip_rows) > TG_MAX_PASSED)
		return;
	for (; row != end; row = next_row(table, row))
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

/* Others may change the state at any time: what was checked must be what is used. */
static uint64_t state_of(const struct tg_vip *vip)
{
	return __atomic_load_n(&vip->state, __ATOMIC_RELAXED);
}

static uint32_t state_backends(uint64_t state)
{
	return TG_EXTENT_BACKENDS(TG_VIP_EXTENT(state));
}

struct tg_backend_rows tg_service_backends(const struct tg_table_rows *table, uint64_t state)
{
	const struct tg_service_header *header = tg_table_row(table, 0);
	struct tg_list_at at = tg_unit_at(header, TG_VIP_UNIT(state));

	return tg_list_backends(table, at, state_backends(state));
}

static struct tg_backend_rows rows_at(const struct tg_table *table, uint32_t unit, uint32_t count)
{
	struct tg_list_at at = {table->parts.services.choice_row + unit, TG_UNIT_BACKEND_ROW(unit)};

	if (unit >= table->parts.services.units)
		return (struct tg_backend_rows){0};
	return tg_list_backends(&table->rows, at, count);
}

/* The backends of a VIP; none for NULL. */
static struct tg_backend_rows backends_of(const struct tg_table *table, const struct tg_vip *vip)
{
	uint64_t state = vip ? state_of(vip) : 0;

	return rows_at(table, TG_VIP_UNIT(state), state_backends(state));
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
	if (!rows->count)
		return;
	memset(rows->choices, 0, tg_block_choice_rows(rows->count) * sizeof(*rows->choices));
	memset(rows->backends, 0, rows->count * sizeof(*rows->backends));
	tg_backend_rows_write(rows, backends);
}

/* Replace a VIP's backends by others at `unit`.  Carry over twice: picks go on meanwhile. */
static void change_backends(const struct tg_table *table, struct tg_vip *vip, uint32_t unit,
			    const struct tg_backends *backends)
{
	struct tg_backend_rows now = rows_at(table, unit, backends->count);
	struct tg_backend_rows before = backends_of(table, vip);
	uint64_t carried[TG_MAX_BACKENDS] = {0};

	write_backends(&now, backends);
	carry_over(&before, &now, carried);
	set_state(vip, unit, tg_backends_extent(backends));
	carry_over(&before, &now, carried);
}

/* --- Changes ------------------------------------------------------------------------------- */

/* Count a service that comes, before it is in effect, or one that is gone. */
static void count(const struct tg_table *table, uint32_t what, int change)
{
	struct tg_service_books *books = tg_service_books_of(table);

	books->count += (uint32_t)change;
	if (!TG_VIP_IS_WIDE(what))
		return;
	books->wide += (uint32_t)change;
	tell_wide(table, books->wide);
}

int tg_service_table_put(const struct tg_table *table, const struct tg_vip_key *key,
			 const struct tg_backends *backends)
{
	struct tg_service_books *books = tg_service_books_of(table);
	struct tg_arena arena = arena_of(table);
	struct tg_vip *vip = find(table, key);
	uint64_t before = vip ? state_of(vip) : 0;
	uint32_t unit;

	if (!vip && books->count >= table->parts.size)
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
		count(table, key->what, 1);
	}
	change_backends(table, vip, unit, backends);
	if (before)
		tg_arena_give(&arena, TG_VIP_UNIT(before), state_backends(before));
	return 0;
}

int tg_service_table_remove(const struct tg_table *table, const struct tg_vip_key *key)
{
	struct tg_arena arena = arena_of(table);
	struct tg_vip *vip = find(table, key);
	uint64_t before;

	if (!vip)
		return 0;
	before = state_of(vip);
	set_state(vip, 0, 0);
	add_to_passed(table, vip, (uint32_t)-1);
	tg_arena_give(&arena, TG_VIP_UNIT(before), state_backends(before));
	count(table, key->what, -1);
	return 1;
}

/* A writer died or did damage: undo what is not in effect yet, and count everything again. */
static int repair(const struct tg_table *table)
{
	struct tg_service_books *books = tg_service_books_of(table);
	uint32_t rows = table->parts.services.vip_rows;
	uint32_t *passed = calloc(rows, sizeof(*passed));
	struct tg_arena arena = arena_of(table);
	uint32_t wide = 0;

	if (!passed)
		return tg_fail(-ENOMEM, "out of memory: no room to mend the services");
	books->wide = rows * TG_VIPS; /* until they are counted, readers look for all */
	write_header(table);
	books->count = 0;
	tg_arena_clear(&arena);
	for (uint32_t i = 0; i < rows * TG_VIPS; i++) {
		struct tg_vip *vip = row_of(table, 0) + i;
		uint64_t state = state_of(vip);
		uint32_t row = home_of(table, vip->addr[0], vip->addr[1], vip->what);

		if (!TG_VIP_UNIT(state))
			continue;
		if (tg_rows_passed(row, i / TG_VIPS, rows) > TG_MAX_PASSED ||
		    !rows_at(table, TG_VIP_UNIT(state), state_backends(state)).choices) {
			set_state(vip, 0, 0); /* no writer has put it here */
			continue;
		}
		tg_arena_mark(&arena, TG_VIP_UNIT(state), state_backends(state));
		for (; row != i / TG_VIPS; row = next_row(table, row))
			passed[row]++;
		books->count++;
		wide += TG_VIP_IS_WIDE(vip->what);
	}
	books->wide = wide;
	tell_wide(table, wide);
	/* A count never drops below the true one, so that readers meanwhile find all VIPs. */
	for (uint32_t row = 0; row < rows; row++)
		__atomic_store_n(&row_of(table, row)->passed, passed[row], __ATOMIC_SEQ_CST);
	free(passed);
	return 0;
}

/* Whether no writer can have left the table as it is. */
static bool is_damaged(const struct tg_table *table)
{
	const struct tg_service_books *books = tg_service_books_of(table);
	struct tg_service_header header = header_of(table);

	return books->count > table->parts.size || books->wide > books->count ||
	       memcmp(tg_table_at(table, 0), &header, sizeof(header)) != 0;
}

int tg_service_change(const struct tg_table *table)
{
	struct tg_service_books *books = tg_service_books_of(table);
	int error = tg_table_lock(table);

	if (error)
		return error;
	if (books->changing || is_damaged(table))
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

/* Read a VIP as a whole, again if it changes meanwhile.  Its state; 0: there is none here. */
static uint64_t read_vip(const struct tg_vip *vip, struct tg_vip_key *key)
{
	const int most_tries = 1000;
	uint64_t state = 0;

	for (int tries = 0; TG_VIP_UNIT(state_of(vip)) && !state && tries < most_tries; tries++) {
		*key = (struct tg_vip_key){
			.high = TG_LOAD(vip->addr[0]),
			.low = TG_LOAD(vip->addr[1]),
			.what = TG_LOAD(vip->what),
		};
		state = tg_vip_read(vip, key->high, key->low, key->what);
	}
	return state;
}

int tg_service_table_next(const struct tg_table *table, uint64_t *at, struct tg_vip_key *key,
			  uint32_t *backends)
{
	uint64_t vips = (uint64_t)table->parts.services.vip_rows * TG_VIPS;

	for (; *at < vips; (*at)++) {
		struct tg_vip_key read;
		uint64_t state = read_vip(row_of(table, 0) + *at, &read);

		if (!state)
			continue;
		*key = read;
		*backends = rows_at(table, TG_VIP_UNIT(state), state_backends(state)).count;
		(*at)++;
		return 1;
	}
	return 0;
}

uint64_t tg_service_table_state(const struct tg_table *table, const struct tg_vip_key *key)
{
	const struct tg_vip *vip = find(table, key);

	return vip ? state_of(vip) : 0;
}

int tg_service_table_find(const struct tg_table *table, const struct tg_vip_key *key,
			  uint32_t *backends)
{
	const struct tg_vip *vip = find(table, key);

	if (!vip)
		return 0;
	*backends = backends_of(table, vip).count;
	return 1;
}

bool tg_service_table_says_more(const struct tg_table *table, const struct tg_vip_key *vip,
				const struct tg_vip_key *asked)
{
	const uint32_t more[] = {asked->what, TG_VIP_ANY_PORT(asked->what)};
	struct tg_vip_key other = *asked;

	for (int i = 0; i < 2 && more[i] != vip->what; i++) {
		other.what = more[i];
		if (find(table, &other))
			return true;
	}
	return false;
}

struct tg_backend_rows tg_service_table_backends(const struct tg_table *table,
						 const struct tg_vip_key *vip)
{
	return backends_of(table, find(table, vip));
}
