/* SPDX-License-Identifier: MIT */
/*
 * gate_backends.c - the backends of the rules in force: a table of blocks, in
 * which the programs count how often they pick each backend.
 *
 * Each image has its own table.  Two numbers are used in turn, by the image's
 * generation, because both tables are read while one image replaces another.
 * The old table stays, unread, until the next one takes its number: removing it
 * would make the kernel wait for running programs once more.
 */
#include "gate/gate.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "image/image_backends.h"
#include "table/backend_rows.h"

/* An old table with more rows is removed at once. */
#define MOST_LEFT_ROWS ((1u << 20) / TG_ROW_BYTES)

static const struct tg_table *table_of(const struct tg_gate *gate, uint64_t generation)
{
	return &gate->tables.blocks[generation & 1];
}

static struct tg_table *own_table_of(struct tg_gate *gate, uint64_t generation)
{
	return &gate->tables.blocks[generation & 1];
}

static void take_out(struct tg_gate *gate, struct tg_table *table)
{
	if (tg_table_is_there(table))
		tg_table_take_out(table, gate->shared.tables);
}

int tg_gate_blocks_make(struct tg_gate *gate, const void *rows, const struct tg_slot_table *slots)
{
	struct tg_table_rows from = tg_image_block_rows(rows);
	struct tg_table *table = own_table_of(gate, gate->generation + 1);
	const struct tg_block *block = NULL;
	struct tg_table made;
	int error;

	if (!from.count) {
		take_out(gate, table);
		return 0;
	}
	error = tg_table_make_map(&made, "backends", from.count);
	if (error)
		return error;
	if (tg_table_is_there(table))
		tg_table_close(table); /* the new table replaces it in the programs' map */
	*table = made;
	table->number = TG_BLOCKS_TABLE(gate->generation + 1);
	memcpy(tg_table_at(table, 0), from.rows, (size_t)from.count * TG_ROW_BYTES);
	/* By the image's own rows, which nobody else can write. */
	while ((block = tg_block_next(&from, block))) {
		size_t row = (size_t)(block - (const struct tg_block *)from.rows);

		((struct tg_block *)tg_table_at(table, row))->slot = slots->of_rule[block->rule];
	}
	return 0;
}

const struct tg_table *tg_gate_blocks_made(struct tg_gate *gate)
{
	return table_of(gate, gate->generation + 1);
}

/* --- Counters ------------------------------------------------------------------------- */

static const struct tg_block *find_block(const struct tg_table *table, uint32_t slot)
{
	const struct tg_block *block = NULL;

	while (tg_table_is_there(table) && (block = tg_block_next(&table->rows, block)))
		if (block->slot == slot)
			break;
	return block;
}

/* Add the counts of a block that is no longer used to those of the new block. */
static void carry_over(const struct tg_backend_rows *from, const struct tg_backend_rows *to)
{
	for (uint32_t i = 0; i < from->count; i++) {
		struct tg_backend *backend = tg_backend_rows_find(to, i, &from->backends[i]);

		if (backend)
			__atomic_fetch_add(&backend->picked, from->backends[i].picked,
					   __ATOMIC_RELAXED);
	}
}

static void carry_all_over(const struct tg_table *from, const struct tg_table *to)
{
	const struct tg_block *block = NULL;

	while ((block = tg_block_next(&from->rows, block))) {
		const struct tg_block *now = find_block(to, block->slot);

		if (now) {
			struct tg_backend_rows counted = tg_block_backends(&from->rows, block);
			struct tg_backend_rows counting = tg_block_backends(&to->rows, now);

			carry_over(&counted, &counting);
		}
	}
}

/* A publish that succeeded has moved the generation: `before` is then no longer read. */
void tg_gate_blocks_settle(struct tg_gate *gate, bool published)
{
	const struct tg_table *now = table_of(gate, gate->generation);
	struct tg_table *before = own_table_of(gate, gate->generation + 1);

	if (published && tg_table_is_there(before))
		carry_all_over(before, now);
	if (!published || !tg_table_is_there(now) || before->rows.count > MOST_LEFT_ROWS)
		take_out(gate, before);
}

void tg_gate_blocks_close(struct tg_gate *gate)
{
	for (uint32_t i = 0; i < 2; i++)
		if (tg_table_is_there(&gate->tables.blocks[i]))
			tg_table_close(&gate->tables.blocks[i]);
}

int tg_gate_blocks_restrict(struct tg_gate *gate)
{
	int error = 0;

	for (uint32_t i = 0; i < 2; i++)
		if (tg_table_is_there(&gate->tables.blocks[i]))
			error = tg_table_restrict(&gate->tables.blocks[i], true) ?: error;
	return error;
}

/* --- Reading them ---------------------------------------------------------------------- */

/* Read a list.  The caller has the gate locked. */
static int read_backends(const struct tg_gate *gate, uint32_t rule, struct tg_backend_info *infos,
			 uint32_t capacity, uint32_t *count)
{
	const struct tg_table *table = table_of(gate, gate->generation);
	struct tg_backend_rows backends = {0};
	const struct tg_block *block;

	if (rule >= gate->slots.rules)
		return tg_fail(-ERANGE, "rule %u: the image in force has %u, numbered from 0", rule,
			       gate->slots.rules);
	block = find_block(table, gate->slots.of_rule[rule]);
	if (block)
		backends = tg_block_backends(&table->rows, block);
	return tg_backend_rows_give(&backends, infos, capacity, count);
}

int tg_gate_rule_backends(const struct tg_gate *gate, uint32_t rule, struct tg_backend_info *infos,
			  uint32_t capacity, uint32_t *count)
{
	int error = tg_gate_check_right(gate, TG_MAY_STATS, "rule_backends");

	if (error)
		return error;
	tg_gate_lock(gate);
	error = read_backends(gate, rule, infos, capacity, count);
	tg_gate_unlock(gate);
	return error;
}

/* A cursor's upper half is a block's row, its lower half how many backends of it were read. */
static int next_backend(const struct tg_gate *gate, uint64_t *cursor, uint32_t *rule,
			struct tg_backend_info *info)
{
	const struct tg_table *table = table_of(gate, gate->generation);
	uint32_t row = *cursor >> 32, number = (uint32_t)*cursor;
	struct tg_backend_rows backends;
	const struct tg_block *block;

	if (!tg_table_is_there(table) || row >= table->rows.count)
		return 0;
	block = tg_table_at(table, row);
	backends = tg_block_backends(&table->rows, block);
	*rule = TG_LOAD(block->rule);
	if (number >= backends.count || *rule >= gate->slots.rules)
		return 0; /* or somebody has written over it */
	tg_backend_rows_read(&backends, number, info);
	if (++number == backends.count) {
		row += tg_block_rows(backends.count);
		number = 0;
	}
	*cursor = (uint64_t)row << 32 | number;
	return 1;
}

int tg_gate_backend_next(const struct tg_gate *gate, uint64_t *cursor, uint32_t *rule,
			 struct tg_backend_info *info)
{
	struct tg_backend_info found = {.size = sizeof(found)};
	int result = tg_gate_check_right(gate, TG_MAY_STATS, "backend_next");
	uint32_t of;

	if (!result)
		result = TG_REQUIRE(cursor);
	if (!result && info)
		result = tg_struct_check(TG_BACKEND_INFO_KIND, info);
	if (result)
		return result;
	tg_gate_lock(gate);
	result = next_backend(gate, cursor, &of, &found);
	tg_gate_unlock(gate);
	if (result == 1 && rule)
		*rule = of;
	if (result == 1 && info)
		tg_struct_give(TG_BACKEND_INFO_KIND, info, &found);
	return result;
}
