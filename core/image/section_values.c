/* SPDX-License-Identifier: MIT */
/* section_values.c - a section read value by value. */
#include "image/section_values.h"

#include <string.h>

#include "base/error.h"
#include "base/field.h"
#include "bpf/engine/match_many.h"

/* --- Spans ------------------------------------------------------------------------ */

struct walk {
	const struct tg_view *view;
	tg_span_visit *visit;
	void *context;
};

/*
 * Visit the spans of a tree over 64 bits, whose values end at `bound`.  `high` is the high
 * half of all keys in the tree; NULL: it is the tree of the high halves.
 */
static int walk64(const struct walk *walk, uint32_t row, uint32_t depth, uint64_t bound,
		  const uint64_t *high);

/* The interval of a leaf's entry ends with `last`. */
static int visit_entry(const struct walk *walk, uint32_t entry, uint64_t last, const uint64_t *high)
{
	if (high)
		return walk->visit(walk->context, (struct tg_key128){*high, last}, entry);
	if (!(entry & TG_CHAIN))
		return walk->visit(walk->context, (struct tg_key128){last, UINT64_MAX}, entry);
	return walk64(walk, TG_CHAIN_ROW(entry), TG_CHAIN_DEPTH(entry), UINT64_MAX, &last);
}

static int walk64(const struct walk *walk, uint32_t row, uint32_t depth, uint64_t bound,
		  const uint64_t *high)
{
	const struct tg_node64 *node = tg_row(walk->view, row);
	const struct tg_leaf64 *leaf = (const void *)node;
	bool done = false;
	int error = 0;

	if (!node)
		return tg_fail_damaged();
	for (int i = 0; depth && i < 8 && !done && !error; i++) {
		done = i == 7 || node->upper[i] >= bound;
		error = walk64(walk, node->child + (uint32_t)i, depth - 1,
			       done ? bound : node->upper[i], high);
	}
	for (int i = 0; !depth && i < 6 && !done && !error; i++) {
		done = i == 5 || leaf->upper[i] >= bound;
		error = visit_entry(walk, leaf->entry[i], done ? bound : leaf->upper[i], high);
	}
	return error;
}

static int walk32(const struct walk *walk, uint32_t row, uint32_t depth, uint32_t bound)
{
	const struct tg_node32 *node = tg_row(walk->view, row);
	const struct tg_leaf32 *leaf = (const void *)node;
	bool done = false;
	int error = 0;

	if (!node)
		return tg_fail_damaged();
	for (int i = 0; depth && i < 16 && !done && !error; i++) {
		done = i == 15 || node->upper[i] >= bound;
		error = walk32(walk, node->child + (uint32_t)i, depth - 1,
			       done ? bound : node->upper[i]);
	}
	for (int i = 0; !depth && i < 11 && !done && !error; i++) {
		done = i == 10 || leaf->upper[i] >= bound;
		error = walk->visit(walk->context,
				    (struct tg_key128){0, done ? bound : leaf->upper[i]},
				    leaf->cls[i]);
	}
	return error;
}

int tg_section_spans(const struct tg_view *view, const struct tg_section *section, enum tg_key key,
		     tg_span_visit *visit, void *context)
{
	const struct walk walk = {view, visit, context};
	const struct tg_tree *tree = &section->tree[key];

	if (TG_KEYS_128 >> key & 1)
		return walk64(&walk, tree->root, tree->depth, UINT64_MAX, NULL);
	return walk32(&walk, tree->root, tree->depth, (uint32_t)tg_key_max(key).lo);
}

/* --- Classes ---------------------------------------------------------------------- */

static int bitset_words(const struct tg_view *view, const struct tg_bitset *set, uint32_t count,
			uint64_t *words)
{
	for (uint32_t i = 0; i < count; i++) {
		const __u64 *word;

		if (!(set->summary[i / 64] >> (i % 64) & 1))
			continue;
		word = tg_bitset_word(view, set, i / 64, i % 64);
		if (!word)
			return tg_fail_damaged();
		words[i] = *word;
	}
	return 0;
}

int tg_section_class(const struct tg_view *view, const struct tg_section *section, enum tg_key key,
		     uint32_t cls, uint64_t *words)
{
	const __u64 *head = tg_word(view, (uint64_t)section->tree[key].bitset * 8 + cls);
	uint32_t count = tg_section_words(section);
	const struct tg_bitset *set;

	memset(words, 0, count * sizeof(*words));
	if (!head)
		return tg_fail_damaged();
	if (section->terms <= TG_WORD_TERMS) {
		words[0] = *head;
		return 0;
	}
	if (!tg_head_lists(*head)) {
		set = tg_row(view, TG_HEAD_ROW(*head));
		return set ? bitset_words(view, set, count, words) : tg_fail_damaged();
	}
	for (int i = 0; i < TG_HEAD_TERMS; i++) {
		uint32_t term = TG_HEAD_TERM(*head, i);

		if (term < section->terms)
			words[term / 64] |= 1ull << (term % 64);
	}
	return 0;
}
