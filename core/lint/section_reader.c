/* SPDX-License-Identifier: MIT */
/* section_reader.c - one operation's section of an image, read back. */
#include "lint/section_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bpf/engine/match_many.h"

/* Pairs of a term and a class of one field: 32 MiB. */
#define MOST_PAIRS (1u << 24)

static void set_term(uint64_t *words, uint32_t term)
{
	words[term / 64] |= 1ull << (term % 64);
}

static int bitset_terms(const struct tg_section_reader *reader, const struct tg_bitset *set,
			uint64_t *words)
{
	for (uint32_t i = 0; i < reader->words; i++) {
		const __u64 *word;

		if (!(set->summary[i / 64] >> (i % 64) & 1))
			continue;
		word = tg_bitset_word(&reader->view, set, i / 64, i % 64);
		if (!word)
			return tg_fail_damaged();
		words[i] = *word;
	}
	return 0;
}

int tg_section_reader_terms(const struct tg_section_reader *reader, enum tg_key key, uint32_t cls,
			    uint64_t *words)
{
	const struct tg_section *section = reader->section;
	const __u64 *head = tg_word(&reader->view, (uint64_t)section->tree[key].bitset * 8 + cls);
	const struct tg_bitset *set;

	memset(words, 0, reader->words * sizeof(*words));
	if (!head)
		return tg_fail_damaged();
	if (section->terms <= TG_WORD_TERMS) {
		words[0] = *head;
		return 0;
	}
	if (!tg_head_lists(*head)) {
		set = tg_row(&reader->view, TG_HEAD_ROW(*head));
		return set ? bitset_terms(reader, set, words) : tg_fail_damaged();
	}
	for (int i = 0; i < TG_HEAD_TERMS; i++)
		if (TG_HEAD_TERM(*head, i) < section->terms)
			set_term(words, TG_HEAD_TERM(*head, i));
	return 0;
}

struct tg_class_list tg_section_reader_classes(const struct tg_section_reader *reader,
					       enum tg_key key, uint32_t term)
{
	const struct tg_section_reader_key *at = &reader->key[key];

	if (at->every[term / 64] >> (term % 64) & 1)
		return at->all;
	return (struct tg_class_list){at->held + at->start[term],
				      at->start[term + 1] - at->start[term]};
}

/* --- Samples: a value of each class ------------------------------------------------ */

/*
 * Take samples from a tree over 64 bits, whose values end at `bound`.  `high` is
 * the high half of all keys in the tree; NULL: it is the tree of the high halves.
 */
static int sample64(const struct tg_section_reader *reader, enum tg_key key, uint32_t row,
		    uint32_t depth, uint64_t bound, const uint64_t *high);

/* The sample of a class is the last value of one of its intervals. */
static void take_sample(const struct tg_section_reader *reader, enum tg_key key, uint32_t cls,
			uint64_t hi, uint64_t lo)
{
	const struct tg_section_reader_key *at = &reader->key[key];

	if (cls >= reader->section->tree[key].classes)
		return;
	at->sample[cls] = (struct tg_key128){hi, lo};
	at->seen[cls] = true;
}

/* The interval of a leaf's entry ends with `last`. */
static int sample_entry(const struct tg_section_reader *reader, enum tg_key key, uint32_t entry,
			uint64_t last, const uint64_t *high)
{
	if (high)
		take_sample(reader, key, entry, *high, last);
	else if (!(entry & TG_CHAIN))
		take_sample(reader, key, entry, last, UINT64_MAX);
	else
		return sample64(reader, key, TG_CHAIN_ROW(entry), TG_CHAIN_DEPTH(entry), UINT64_MAX,
				&last);
	return 0;
}

static int sample64(const struct tg_section_reader *reader, enum tg_key key, uint32_t row,
		    uint32_t depth, uint64_t bound, const uint64_t *high)
{
	const struct tg_node64 *node = tg_row(&reader->view, row);
	const struct tg_leaf64 *leaf = (const void *)node;
	bool done = false;
	int error = 0;

	if (!node)
		return tg_fail_damaged();
	for (int i = 0; depth && i < 8 && !done && !error; i++) {
		done = i == 7 || node->upper[i] >= bound;
		error = sample64(reader, key, node->child + (uint32_t)i, depth - 1,
				 done ? bound : node->upper[i], high);
	}
	for (int i = 0; !depth && i < 6 && !done && !error; i++) {
		done = i == 5 || leaf->upper[i] >= bound;
		error = sample_entry(reader, key, leaf->entry[i], done ? bound : leaf->upper[i],
				     high);
	}
	return error;
}

static int sample32(const struct tg_section_reader *reader, enum tg_key key, uint32_t row,
		    uint32_t depth, uint32_t bound)
{
	const struct tg_node32 *node = tg_row(&reader->view, row);
	const struct tg_leaf32 *leaf = (const void *)node;
	bool done = false;
	int error = 0;

	if (!node)
		return tg_fail_damaged();
	for (int i = 0; depth && i < 16 && !done && !error; i++) {
		done = i == 15 || node->upper[i] >= bound;
		error = sample32(reader, key, node->child + (uint32_t)i, depth - 1,
				 done ? bound : node->upper[i]);
	}
	for (int i = 0; !depth && i < 11 && !done; i++) {
		done = i == 10 || leaf->upper[i] >= bound;
		take_sample(reader, key, leaf->cls[i], 0, done ? bound : leaf->upper[i]);
	}
	return error;
}

static int take_samples(struct tg_section_reader *reader, enum tg_key key)
{
	const struct tg_tree *tree = &reader->section->tree[key];

	if (TG_KEYS_128 & (1u << key))
		return sample64(reader, key, tree->root, tree->depth, UINT64_MAX, NULL);
	return sample32(reader, key, tree->root, tree->depth,
			key == TG_KEY_PORT ? 0xffff : UINT32_MAX);
}

/* --- Which classes a term holds for ------------------------------------------------- */

/* Call `each` for every pair of a class and a term that holds for it, class by class. */
static int each_pair(const struct tg_section_reader *reader, enum tg_key key, uint64_t *words,
		     void (*each)(struct tg_section_reader_key *at, uint32_t cls, uint32_t term),
		     struct tg_section_reader_key *at)
{
	for (uint32_t n = 0; n < at->all.count; n++) {
		uint16_t cls = at->all.at[n];
		int error = tg_section_reader_terms(reader, key, cls, words);

		if (error)
			return error;
		for (uint32_t i = 0; i < reader->words; i++) {
			for (uint64_t word = words[i]; word; word &= word - 1)
				each(at, cls, i * 64 + (uint32_t)__builtin_ctzll(word));
		}
	}
	return 0;
}

static void count_pair(struct tg_section_reader_key *at, uint32_t cls, uint32_t term)
{
	(void)cls;
	at->start[term + 1]++;
}

/* start[term + 1] is where the term's next class goes; after the last, where its classes end. */
static void keep_pair(struct tg_section_reader_key *at, uint32_t cls, uint32_t term)
{
	if (!(at->every[term / 64] >> (term % 64) & 1))
		at->held[at->start[term + 1]++] = (uint16_t)cls;
}

/* Turn counts into starts.  Terms that hold for all classes need no room in `held`. */
static int place_terms(struct tg_section_reader_key *at, uint32_t terms)
{
	uint64_t pairs = 0;

	for (uint32_t term = 0; term < terms; term++) {
		uint32_t count = at->start[term + 1];

		if (count)
			set_term(at->any, term);
		if (count == at->all.count)
			set_term(at->every, term);
		else if (pairs + count <= MOST_PAIRS)
			pairs += count;
		else
			return tg_fail(-E2BIG, "too many terms and classes to read back");
		at->start[term + 1] = (uint32_t)(pairs - (count == at->all.count ? 0 : count));
	}
	at->held = malloc((pairs + 1) * sizeof(*at->held));
	return at->held ? 0 : tg_fail(-ENOMEM, "out of memory: no room to read an image back");
}

static int read_key(struct tg_section_reader *reader, enum tg_key key, uint64_t *words)
{
	struct tg_section_reader_key *at = &reader->key[key];
	uint32_t terms = reader->section->terms;
	uint32_t classes = reader->section->tree[key].classes;
	uint16_t *all = malloc(((size_t)classes + 1) * sizeof(*all));
	int error;

	at->all = (struct tg_class_list){all, 0};
	at->start = calloc(terms + 1, sizeof(*at->start));
	at->any = calloc(reader->words, sizeof(*at->any));
	at->every = calloc(reader->words, sizeof(*at->every));
	at->sample = calloc(classes + 1, sizeof(*at->sample));
	at->seen = calloc(classes + 1, sizeof(*at->seen));
	if (!all || !at->start || !at->any || !at->every || !at->sample || !at->seen)
		return tg_fail(-ENOMEM, "out of memory: no room to read an image back");
	error = take_samples(reader, key);
	for (uint32_t cls = 0; cls < classes; cls++)
		if (at->seen[cls])
			all[at->all.count++] = (uint16_t)cls;
	if (!error)
		error = each_pair(reader, key, words, count_pair, at);
	if (!error)
		error = place_terms(at, terms);
	if (!error)
		error = each_pair(reader, key, words, keep_pair, at);
	return error;
}

int tg_section_reader_open(const struct tg_image *image, int place, struct tg_section_reader *out)
{
	struct tg_section_reader reader = {
		.view = {image->rows, (uint32_t)(image->bytes / TG_ROW_BYTES)},
		.place = place,
	};
	uint64_t *words;
	int error = 0;

	reader.section =
		tg_rows(&reader.view, tg_image_section_row(image->rows, place), TG_SECTION_ROWS);
	if (!reader.section)
		return tg_fail_damaged();
	reader.terms = tg_rows(&reader.view, reader.section->term_row, reader.section->terms + 1);
	reader.words = (reader.section->terms + 63) / 64 + !reader.section->terms;
	words = calloc(reader.words, sizeof(*words));
	reader.deciding = calloc(reader.words, sizeof(*reader.deciding));
	if (!words || !reader.deciding)
		error = tg_fail(-ENOMEM, "out of memory: no room to read an image back");
	else if (!reader.terms)
		error = tg_fail_damaged();
	for (uint32_t i = 0; !error && i < reader.section->terms; i++)
		if (!(reader.terms[i].effects &
		      (TG_EFFECT_SHADOW | TG_EFFECT_LIVE | TG_EFFECT_RATE)))
			set_term(reader.deciding, i);
	for (int key = 0; key < TG_KEYS && !error; key++)
		if (reader.section->keys >> key & 1)
			error = read_key(&reader, (enum tg_key)key, words);
	free(words);
	if (error)
		tg_section_reader_close(&reader);
	else
		*out = reader;
	return error;
}

void tg_section_reader_close(struct tg_section_reader *reader)
{
	for (int key = 0; key < TG_KEYS; key++) {
		struct tg_section_reader_key *at = &reader->key[key];

		free((void *)at->all.at);
		free(at->start);
		free(at->held);
		free(at->any);
		free(at->every);
		free(at->sample);
		free(at->seen);
	}
	free(reader->deciding);
	*reader = (struct tg_section_reader){0};
}
