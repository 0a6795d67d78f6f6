/* SPDX-License-Identifier: MIT */
/*
 * btree.c - a field's spans as static B-trees.
 *
 * All leaves except the last are full, and so are all nodes except the last of a
 * level.  The rows of a level are adjacent, the root's level first.  So the whole
 * shape of a tree follows from its number of spans.
 */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* What differs between the trees over 32-bit keys and those over 64-bit keys. */
struct shape {
	uint32_t children;  /* of a node */
	uint32_t intervals; /* of a leaf */
	bool wide;
};

static const struct shape narrow = {16, 11, false};
static const struct shape wide = {8, 6, true};

struct plan {
	const struct shape *shape;
	size_t spans;
	uint32_t root;
	uint32_t depth;
	uint32_t level[TG_MAX_DEPTH + 1]; /* rows of each level, the root's first */
};

static int plan_tree(const struct shape *shape, size_t spans, struct tg_rows *rows,
		     struct plan *plan)
{
	size_t levels[TG_MAX_DEPTH + 1];
	size_t count = (spans + shape->intervals - 1) / shape->intervals;
	uint64_t total = count;
	uint32_t depth = 0;

	levels[0] = count;
	while (count > 1) {
		if (depth == TG_MAX_DEPTH)
			return tg_fail(-E2BIG, "%zu boundaries, the limit is %u", spans,
				       TG_MAX_BOUNDARIES);
		count = (count + shape->children - 1) / shape->children;
		total += count;
		levels[++depth] = count;
	}
	*plan = (struct plan){.shape = shape, .spans = spans, .depth = depth};
	for (uint32_t i = 0; i <= depth; i++)
		plan->level[i] = (uint32_t)levels[depth - i];
	return tg_rows_add(rows, total, &plan->root);
}

/* Keys come first, in nodes and in leaves.  No value is above the last span. */
static void put_upper(const struct plan *plan, void *row, uint32_t place,
		      const struct tg_span *spans, size_t index)
{
	uint64_t upper = index < plan->spans - 1 ? spans[index].last.lo : UINT64_MAX;

	if (plan->shape->wide)
		((uint64_t *)row)[place] = upper;
	else
		((uint32_t *)row)[place] = (uint32_t)upper;
}

static void fill_leaf(const struct plan *plan, void *row, const struct tg_span *spans, size_t first)
{
	uint32_t intervals = plan->shape->intervals;

	for (uint32_t i = 0; i < intervals; i++) {
		size_t index = first + i < plan->spans ? first + i : plan->spans - 1;

		if (i < intervals - 1)
			put_upper(plan, row, i, spans, index);
		if (plan->shape->wide)
			((struct tg_leaf64 *)row)->entry[i] = spans[index].cls;
		else
			((struct tg_leaf32 *)row)->cls[i] = (uint16_t)spans[index].cls;
	}
}

/* `under` is the number of spans below one child. */
static void fill_node(const struct plan *plan, void *row, const struct tg_span *spans, size_t first,
		      size_t under, uint32_t child)
{
	for (uint32_t i = 0; i < plan->shape->children - 1; i++)
		put_upper(plan, row, i, spans, first + (i + 1) * under - 1);
	if (plan->shape->wide)
		((struct tg_node64 *)row)->child = child;
	else
		((struct tg_node32 *)row)->child = child;
}

static void fill_tree(const struct plan *plan, struct tg_rows *rows, const struct tg_span *spans)
{
	uint32_t start[TG_MAX_DEPTH + 1];
	size_t under = plan->shape->intervals;

	start[0] = plan->root;
	for (uint32_t i = 0; i < plan->depth; i++)
		start[i + 1] = start[i] + plan->level[i];
	for (uint32_t k = 0; k < plan->level[plan->depth]; k++)
		fill_leaf(plan, rows->at[start[plan->depth] + k], spans, (size_t)k * under);
	for (uint32_t i = plan->depth; i-- > 0;) {
		uint32_t children = plan->shape->children;

		for (uint32_t k = 0; k < plan->level[i]; k++)
			fill_node(plan, rows->at[start[i] + k], spans, (size_t)k * children * under,
				  under, start[i + 1] + k * children);
		under *= children;
	}
}

/*
 * One step through the values of the high half.  It is either a run of values
 * that have one class whatever their low half is, or one value in which the
 * class depends on the low half.
 */
struct step {
	uint64_t last; /* the step's last high value */
	size_t first;  /* its first span */
	size_t low;    /* spans inside its one high value; 0: one class for all low halves */
	size_t next;   /* the span of the value after the step */
};

/* The step that starts at the high value `high`, which is in span `first`. */
static struct step next_step(const struct tg_partition *partition, size_t first, uint64_t high)
{
	const struct tg_span *at = partition->at;
	struct tg_key128 last = at[first].last;
	size_t end = first;

	if (last.hi > high || last.lo == UINT64_MAX)
		return (struct step){
			.last = last.lo == UINT64_MAX ? last.hi : last.hi - 1,
			.first = first,
			.next = first + (last.lo == UINT64_MAX),
		};
	while (at[end].last.hi == high && at[end].last.lo != UINT64_MAX)
		end++;
	return (struct step){
		.last = high,
		.first = first,
		.low = end - first + 1,
		.next = end + (at[end].last.hi == high),
	};
}

static size_t count_steps(const struct tg_partition *partition)
{
	uint64_t high = 0;
	size_t count = 0;

	for (size_t i = 0; i < partition->count; count++) {
		struct step step = next_step(partition, i, high);

		i = step.next;
		high = step.last + 1;
	}
	return count;
}

/* Write the tree of one step's low half; `entry` is what the tree of the high half has for it. */
static int write_chain(const struct tg_partition *partition, const struct step *step,
		       struct tg_rows *rows, uint32_t *entry)
{
	struct plan plan;
	int error = plan_tree(&wide, step->low, rows, &plan);

	if (error)
		return error;
	fill_tree(&plan, rows, partition->at + step->first);
	*entry = TG_CHAIN | plan.depth << 28 | plan.root;
	return 0;
}

/* Two chained searches of 64 bits.  The trees of the low halves follow that of the high half. */
static int write_tree128(const struct tg_partition *partition, struct tg_rows *rows,
			 struct plan *plan)
{
	size_t count = count_steps(partition);
	struct tg_span *spans = malloc(count * sizeof(*spans));
	uint64_t high = 0;
	size_t span = 0;
	int error;

	if (!spans)
		return tg_fail(-ENOMEM, "out of memory: no room for %zu boundaries", count);
	error = plan_tree(&wide, count, rows, plan);
	for (size_t i = 0; !error && i < count; i++) {
		struct step step = next_step(partition, span, high);

		spans[i].last = (struct tg_key128){0, step.last};
		spans[i].cls = partition->at[step.first].cls;
		if (step.low)
			error = write_chain(partition, &step, rows, &spans[i].cls);
		span = step.next;
		high = step.last + 1;
	}
	if (!error)
		fill_tree(plan, rows, spans);
	free(spans);
	return error;
}

int tg_btree_write(const struct tg_partition *partition, enum tg_key key, struct tg_rows *rows,
		   struct tg_tree *tree)
{
	struct plan plan;
	int error;

	if (TG_KEYS_128 & (1u << key)) {
		error = write_tree128(partition, rows, &plan);
	} else {
		error = plan_tree(&narrow, partition->count, rows, &plan);
		if (!error)
			fill_tree(&plan, rows, partition->at);
	}
	if (error)
		return error;
	tree->root = plan.root;
	tree->depth = plan.depth;
	return 0;
}
