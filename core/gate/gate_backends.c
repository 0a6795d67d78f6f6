/* SPDX-License-Identifier: MIT */
/*
 * gate_backends.c - the lists of backends of the rules in force, in which the programs
 * count how often they pick each backend.
 *
 * The lists are in the image's slot, so its mapping is kept.  What is counted by an image
 * that has been replaced, also by calls that end later, is carried over to the image in
 * force: at the next publish, and whenever somebody reads the counts.
 */
#include "gate/gate.h"

#include <errno.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "image/image_backends.h"
#include "table/backend_rows.h"

/* --- The images that have lists ----------------------------------------------------------- */

/* The lists of the image in force, or NULL. */
static struct tg_lists *lists_in_force(const struct tg_gate *gate)
{
	const struct tg_gate_lists *lists = &gate->lists;

	for (uint32_t i = lists->count; i-- > 0;)
		if (lists->at[i].slot.generation == gate->generation)
			return (struct tg_lists *)&lists->at[i];
	return NULL;
}

void tg_gate_lists_keep(struct tg_gate *gate, struct tg_image_slot *slot)
{
	struct tg_gate_lists *lists = &gate->lists;
	struct tg_table_rows blocks = {0};

	if (slot->rows && lists->count < sizeof(lists->at) / sizeof(*lists->at))
		blocks = tg_image_block_rows(slot->rows);
	if (!blocks.count || tg_image_slot_share(slot)) {
		tg_image_slot_unmap(slot);
		return;
	}
	lists->at[lists->count++] = (struct tg_lists){*slot, blocks};
	*slot = (struct tg_image_slot){0};
}

/* --- Counters ------------------------------------------------------------------------------- */

static const struct tg_block *find_block(const struct tg_table_rows *blocks, uint32_t slot)
{
	const struct tg_block *block = NULL;

	while ((block = tg_block_next(blocks, block)))
		if (block->slot == slot)
			break;
	return block;
}

/* Add what a backend was picked to that of the same one in a list, if it is still in it. */
static void carry_count(uint64_t picked, const struct tg_backend *from, uint32_t index,
			const struct tg_backend_rows *to)
{
	struct tg_backend *backend = tg_backend_rows_find(to, index, from);

	if (backend)
		__atomic_fetch_add(&backend->picked, picked, __ATOMIC_RELAXED);
}

/* Move the counts of a list to the list of the same rule.  `to`: NULL: there are none. */
static void carry_list(const struct tg_backend_rows *from, uint32_t slot, const struct tg_lists *to)
{
	struct tg_backend_rows counting = {0};
	bool found = false;

	for (uint32_t i = 0; i < from->count; i++) {
		struct tg_backend *backend = &from->backends[i];
		const struct tg_block *block;
		uint64_t picked;

		if (!__atomic_load_n(&backend->picked, __ATOMIC_RELAXED))
			continue;
		picked = __atomic_exchange_n(&backend->picked, 0, __ATOMIC_RELAXED);
		block = to && !found ? find_block(&to->blocks, slot) : NULL;
		if (block)
			counting = tg_block_backends(&to->blocks, block);
		found = true;
		carry_count(picked, backend, i, &counting);
	}
}

static void carry(const struct tg_lists *from, const struct tg_lists *to)
{
	const struct tg_block *block = NULL;

	while ((block = tg_block_next(&from->blocks, block))) {
		struct tg_backend_rows backends = tg_block_backends(&from->blocks, block);

		carry_list(&backends, block->slot, to);
	}
}

/*
 * Move all counts to the image in force, as far as this process may write them, and unless
 * another process has written to their slots meanwhile.
 */
static void carry_all(const struct tg_gate *gate)
{
	const struct tg_lists *to = lists_in_force(gate);

	for (uint32_t i = 0; !gate->restricted && i < gate->lists.count; i++) {
		const struct tg_lists *from = &gate->lists.at[i];

		if (from != to && tg_image_slot_is_whole(&from->slot))
			carry(from, to);
	}
}

void tg_gate_lists_settle(struct tg_gate *gate)
{
	struct tg_gate_lists *lists = &gate->lists;
	uint32_t kept = 0;

	carry_all(gate);
	for (uint32_t i = 0; i < lists->count; i++) {
		if (lists->at[i].slot.generation > gate->generations.ended)
			lists->at[kept++] = lists->at[i];
		else
			tg_image_slot_unmap(&lists->at[i].slot);
	}
	lists->count = kept;
}

static void carry_copy(const struct tg_image_slot *slot, const struct tg_lists *to)
{
	struct tg_lists from = {*slot, tg_image_block_rows(slot->rows)};

	if (from.blocks.count)
		carry(&from, to);
}

void tg_gate_lists_clear(const struct tg_image_slot *slot)
{
	carry_copy(slot, NULL);
}

void tg_gate_lists_take_back(const struct tg_gate *gate, const struct tg_image_slot *slot)
{
	carry_copy(slot, lists_in_force(gate));
}

void tg_gate_lists_drop(struct tg_gate *gate)
{
	for (uint32_t i = 0; i < gate->lists.count; i++)
		tg_image_slot_unmap(&gate->lists.at[i].slot);
	gate->lists.count = 0;
}

int tg_gate_lists_restrict(struct tg_gate *gate)
{
	struct tg_lists *now = lists_in_force(gate), kept = {0};
	int error = 0;

	if (now) {
		kept = *now;
		*now = (struct tg_lists){0};
		error = tg_image_slot_protect(&gate->set, &kept.slot);
	}
	if (error)
		tg_image_slot_unmap(&kept.slot);
	tg_gate_lists_drop(gate);
	if (kept.slot.rows)
		gate->lists.at[gate->lists.count++] = kept;
	return error;
}

/* --- Reading them ---------------------------------------------------------------------- */

/*
 * The lists to read, or NULL.  Another process may have published so often meanwhile that
 * the slot has another image: then there are none.
 */
static const struct tg_lists *readable(const struct tg_gate *gate)
{
	const struct tg_lists *lists = lists_in_force(gate);

	return lists && tg_image_slot_is_whole(&lists->slot) ? lists : NULL;
}

/* What has been read is that of the lists, if they are readable still. */
static bool was_readable(const struct tg_lists *lists)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return tg_image_slot_is_whole(&lists->slot);
}

/* Read a list.  The caller has the gate locked. */
static int read_backends(const struct tg_gate *gate, uint32_t rule, struct tg_backend_info *infos,
			 uint32_t capacity, uint32_t *count)
{
	const struct tg_lists *lists = readable(gate);
	struct tg_backend_rows backends = {0};
	const struct tg_block *block = NULL;
	int error;

	if (rule >= gate->slots.rules)
		return tg_fail(-ERANGE, "rule %u: the image in force has %u, numbered from 0", rule,
			       gate->slots.rules);
	if (lists)
		block = find_block(&lists->blocks, gate->slots.of_rule[rule]);
	if (block)
		backends = tg_block_backends(&lists->blocks, block);
	error = tg_backend_rows_give(&backends, infos, capacity, count);
	if (!error && lists && !was_readable(lists))
		error = tg_backend_rows_give(&(struct tg_backend_rows){0}, infos, capacity, count);
	return error;
}

int tg_gate_rule_backends(const struct tg_gate *gate, uint32_t rule, struct tg_backend_info *infos,
			  uint32_t capacity, uint32_t *count)
{
	int error = tg_gate_check_right(gate, TG_MAY_STATS, "rule_backends");

	if (error)
		return error;
	tg_gate_lock(gate);
	carry_all(gate);
	error = read_backends(gate, rule, infos, capacity, count);
	tg_gate_unlock(gate);
	return error;
}

/* A cursor's upper half is a block's row, its lower half how many backends of it were read. */
static int next_backend(const struct tg_gate *gate, uint64_t *cursor, uint32_t *rule,
			struct tg_backend_info *info)
{
	const struct tg_lists *lists = readable(gate);
	uint32_t row = *cursor >> 32, number = (uint32_t)*cursor;
	struct tg_backend_rows backends;
	const struct tg_block *block;

	block = lists ? tg_table_row(&lists->blocks, row) : NULL;
	if (!block)
		return 0;
	backends = tg_block_backends(&lists->blocks, block);
	*rule = TG_LOAD(block->rule);
	if (number >= backends.count)
		return 0;
	tg_backend_rows_read(&backends, number, info);
	if (!was_readable(lists))
		return 0;
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
	carry_all(gate);
	result = next_backend(gate, cursor, &of, &found);
	tg_gate_unlock(gate);
	if (result == 1 && rule)
		*rule = of;
	if (result == 1 && info)
		tg_struct_give(TG_BACKEND_INFO_KIND, info, &found);
	return result;
}
