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
#include "image/image_backends.h"
#include "table/backend_rows.h"

/* An old table with more rows is removed at once. */
#define MOST_LEFT_ROWS ((1u << 20) / TG_ROW_BYTES)

static struct tg_table *table_of(struct tg_gate *gate, uint64_t generation)
{
	return &gate->tables.blocks[generation & 1];
}

static void take_out(struct tg_gate *gate, struct tg_table *table)
{
	if (table->fd >= 0)
		tg_table_take_out(table, gate->shared.tables);
}

int tg_gate_blocks_make(struct tg_gate *gate, const void *rows, const struct tg_slot_table *slots)
{
	struct tg_table_rows from = tg_image_block_rows(rows);
	struct tg_table *table = table_of(gate, gate->generation + 1);
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
	if (table->fd >= 0)
		tg_table_close(table); /* the new table replaces it in the programs' map */
	*table = made;
	table->number = TG_BLOCKS_TABLE(gate->generation + 1);
	memcpy(tg_table_at(table, 0), from.rows, (size_t)from.count * TG_ROW_BYTES);
	while ((block = tg_block_next(&table->rows, block)))
		((struct tg_block *)block)->slot = slots->of_rule[block->rule];
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

	while (table->fd >= 0 && (block = tg_block_next(&table->rows, block)))
		if (block->slot == slot)
			break;
	return block;
}

/* Add the counts of a block that is no longer used to those of the new block. */
static void carry_over(const struct tg_block *from, const struct tg_block *to)
{
	struct tg_backend_rows counted = tg_block_backends(from), now = tg_block_backends(to);

	for (uint32_t i = 0; i < counted.count; i++) {
		struct tg_backend *backend = tg_backend_rows_find(&now, i, &counted.backends[i]);

		if (backend)
			__atomic_fetch_add(&backend->picked, counted.backends[i].picked,
					   __ATOMIC_RELAXED);
	}
}

static void carry_all_over(const struct tg_table *from, const struct tg_table *to)
{
	const struct tg_block *block = NULL;

	while ((block = tg_block_next(&from->rows, block))) {
		const struct tg_block *now = find_block(to, block->slot);

		if (now)
			carry_over(block, now);
	}
}

/* A publish that succeeded has moved the generation: `before` is then no longer read. */
void tg_gate_blocks_settle(struct tg_gate *gate, bool published)
{
	struct tg_table *now = table_of(gate, gate->generation);
	struct tg_table *before = table_of(gate, gate->generation + 1);

	if (published && before->fd >= 0)
		carry_all_over(before, now);
	if (!published || now->fd < 0 || before->rows.count > MOST_LEFT_ROWS)
		take_out(gate, before);
}

int tg_gate_backend(struct tg_gate *gate, uint32_t rule, uint32_t index,
		    struct tg_backend_info *info)
{
	const struct tg_block *block;

	if (rule >= gate->slots.rules)
		return tg_fail(-ERANGE, "the image in force has %u rules, not one numbered %u",
			       gate->slots.rules, rule);
	block = find_block(table_of(gate, gate->generation), gate->slots.of_rule[rule]);
	return tg_block_backend(block, rule, index, info);
}

/* A cursor's upper half is a block's row, its lower half how many backends of it were read. */
int tg_gate_backend_next(struct tg_gate *gate, uint64_t *cursor, uint32_t *rule,
			 struct tg_backend_info *info)
{
	const struct tg_table *table = table_of(gate, gate->generation);
	uint32_t row = *cursor >> 32, number = (uint32_t)*cursor;
	struct tg_backend_rows backends;
	const struct tg_block *block;

	if (table->fd < 0 || row >= table->rows.count)
		return 0;
	block = tg_table_at(table, row);
	*rule = block->rule;
	backends = tg_block_backends(block);
	tg_backend_rows_read(&backends, number, info);
	if (++number == backends.count) {
		row += tg_block_rows(backends.count);
		number = 0;
	}
	*cursor = (uint64_t)row << 32 | number;
	return 1;
}
