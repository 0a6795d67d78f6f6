/* SPDX-License-Identifier: MIT */
/* section_reader.c - one operation's section of an image, read back. */
#include "lint/section_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Pairs of a term and a class, of one field: 32 MiB. */
#define MOST_PAIRS (1u << 24)

static void set_term(uint64_t *words, uint32_t term)
{
	words[term / 64] |= 1ull << (term % 64);
}

static int bitset_terms(const struct tg_reading *reading, const struct tg_bitset *set,
			uint64_t *words)
{
	for (uint32_t i = 0; i < reading->words; i++) {
		const __u64 *word;

		if (!(set->summary[i / 64] >> (i % 64) & 1))
			continue;
		word = tg_bitset_word(&reading->view, set, i / 64, i % 64);
		if (!word)
			return tg_fail_damaged();
		words[i] = *word;
	}
	return 0;
}

int tg_reading_terms(const struct tg_reading *reading, enum tg_key key, uint32_t class,
		     uint64_t *words)
{
	const struct tg_section *section = reading->section;
	const __u64 *head =
		tg_word(&reading->view, (uint64_t)section->tree[key].bitset * 8 + class);
	const struct tg_bitset *set;

	memset(words, 0, reading->words * sizeof(*words));
	if (!head)
		return tg_fail_damaged();
	if (section->terms <= TG_WORD_TERMS) {
		words[0] = *head;
		return 0;
	}
	if (!tg_head_lists(*head)) {
		set = tg_row(&reading->view, TG_HEAD_ROW(*head));
		return set ? bitset_terms(reading, set, words) : tg_fail_damaged();
	}
	for (int i = 0; i < TG_HEAD_TERMS; i++)
		if (TG_HEAD_TERM(*head, i) < section->terms)
			set_term(words, TG_HEAD_TERM(*head, i));
	return 0;
}

struct tg_class_list tg_reading_classes(const struct tg_reading *reading, enum tg_key key,
					uint32_t term)
{
	const struct tg_reading_key *at = &reading->key[key];

	if (at->every[term / 64] >> (term % 64) & 1)
		return at->all;
	return (struct tg_class_list){at->held + at->start[term],
				      at->start[term + 1] - at->start[term]};
}

/* --- Samples: a value of each class ------------------------------------------------ */

/* What a leaf's entry stands for: all values up to `last` that the one before does not hold. */
static int sample64(const struct tg_reading *reading, enum tg_key key, uint32_t row, uint32_t depth,
		    uint64_t bound, const uint64_t *high);

static void take_sample(const struct tg_reading *reading, enum tg_key key, uint32_t class,
			uint64_t hi, uint64_t lo)
{
	const struct tg_reading_key *at = &reading->key[key];

	if (class >= reading->section->tree[key].classes)
		return;
	at->sample[class] = (struct tg_key128){hi, lo};
	at->seen[class] = true;
}

static int sample_entry(const struct tg_reading *reading, enum tg_key key, uint32_t entry,
			uint64_t last, const uint64_t *high)
{
	if (high)
		take_sample(reading, key, entry, *high, last);
	else if (!(entry & TG_CHAIN))
		take_sample(reading, key, entry, last, UINT64_MAX);
	else
		return sample64(reading, key, TG_CHAIN_ROW(entry), TG_CHAIN_DEPTH(entry),
				UINT64_MAX, &last);
	return 0;
}

static int sample64(const struct tg_reading *reading, enum tg_key key, uint32_t row, uint32_t depth,
		    uint64_t bound, const uint64_t *high)
{
	const struct tg_node64 *node = tg_row(&reading->view, row);
	const struct tg_leaf64 *leaf = (const void *)node;
	bool done = false;
	int error = 0;

	if (!node)
		return tg_fail_damaged();
	for (int i = 0; depth && i < 8 && !done && !error; i++) {
		done = i == 7 || node->upper[i] >= bound;
		error = sample64(reading, key, node->child + (uint32_t)i, depth - 1,
				 done ? bound : node->upper[i], high);
	}
	for (int i = 0; !depth && i < 6 && !done && !error; i++) {
		done = i == 5 || leaf->upper[i] >= bound;
		error = sample_entry(reading, key, leaf->entry[i], done ? bound : leaf->upper[i],
				     high);
	}
	return error;
}

static int sample32(const struct tg_reading *reading, enum tg_key key, uint32_t row, uint32_t depth,
		    uint32_t bound)
{
	const struct tg_node32 *node = tg_row(&reading->view, row);
	const struct tg_leaf32 *leaf = (const void *)node;
	bool done = false;
	int error = 0;

	if (!node)
		return tg_fail_damaged();
	for (int i = 0; depth && i < 16 && !done && !error; i++) {
		done = i == 15 || node->upper[i] >= bound;
		error = sample32(reading, key, node->child + (uint32_t)i, depth - 1,
				 done ? bound : node->upper[i]);
	}
	for (int i = 0; !depth && i < 11 && !done; i++) {
		done = i == 10 || leaf->upper[i] >= bound;
		take_sample(reading, key, leaf->class[i], 0, done ? bound : leaf->upper[i]);
	}
	return error;
}

static int take_samples(struct tg_reading *reading, enum tg_key key)
{
	const struct tg_tree *tree = &reading->section->tree[key];

	if (TG_KEYS_128 & (1u << key))
		return sample64(reading, key, tree->root, tree->depth, UINT64_MAX, NULL);
	return sample32(reading, key, tree->root, tree->depth,
			key == TG_KEY_PORT ? 0xffff : UINT32_MAX);
}

/* --- Which classes a term holds for ------------------------------------------------- */

/* Call `each` with every pair of a class and a term, class by class; `state` is its own. */
static int each_pair(const struct tg_reading *reading, enum tg_key key, uint64_t *words,
		     void (*each)(struct tg_reading_key *at, uint32_t class, uint32_t term),
		     struct tg_reading_key *at)
{
	for (uint32_t n = 0; n < at->all.count; n++) {
		uint16_t class = at->all.at[n];
		int error = tg_reading_terms(reading, key, class, words);

		if (error)
			return error;
		for (uint32_t i = 0; i < reading->words; i++) {
			for (uint64_t word = words[i]; word; word &= word - 1)
				each(at, class, i * 64 + (uint32_t)__builtin_ctzll(word));
		}
	}
	return 0;
}

static void count_pair(struct tg_reading_key *at, uint32_t class, uint32_t term)
{
	(void)class;
	at->start[term + 1]++;
}

/* start[term + 1] is where the term's next class goes, and at last where they end. */
static void keep_pair(struct tg_reading_key *at, uint32_t class, uint32_t term)
{
	if (!(at->every[term / 64] >> (term % 64) & 1))
		at->held[at->start[term + 1]++] = (uint16_t) class;
}

/* From counts to where each term's classes start; the terms of all classes need no room. */
static int place_terms(struct tg_reading_key *at, uint32_t terms)
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

static int read_key(struct tg_reading *reading, enum tg_key key, uint64_t *words)
{
	struct tg_reading_key *at = &reading->key[key];
	uint32_t terms = reading->section->terms;
	uint32_t classes = reading->section->tree[key].classes;
	uint16_t *all = malloc(((size_t)classes + 1) * sizeof(*all));
	int error;

	at->all = (struct tg_class_list){all, 0};
	at->start = calloc(terms + 1, sizeof(*at->start));
	at->any = calloc(reading->words, sizeof(*at->any));
	at->every = calloc(reading->words, sizeof(*at->every));
	at->sample = calloc(classes + 1, sizeof(*at->sample));
	at->seen = calloc(classes + 1, sizeof(*at->seen));
	if (!all || !at->start || !at->any || !at->every || !at->sample || !at->seen)
		return tg_fail(-ENOMEM, "out of memory: no room to read an image back");
	error = take_samples(reading, key);
	for (uint32_t class = 0; class < classes; class ++)
		if (at->seen[class])
			all[at->all.count++] = (uint16_t) class;
	if (!error)
		error = each_pair(reading, key, words, count_pair, at);
	if (!error)
		error = place_terms(at, terms);
	if (!error)
		error = each_pair(reading, key, words, keep_pair, at);
	return error;
}

int tg_reading_open(const struct tg_image *image, int place, struct tg_reading *out)
{
	struct tg_reading reading = {
		.view = {image->rows, (uint32_t)(image->bytes / TG_ROW_BYTES)},
		.place = place,
	};
	uint64_t *words;
	int error = 0;

	reading.section =
		tg_rows(&reading.view, tg_image_section_row(image->rows, place), TG_SECTION_ROWS);
	if (!reading.section)
		return tg_fail_damaged();
	reading.terms =
		tg_rows(&reading.view, reading.section->term_row, reading.section->terms + 1);
	reading.words = (reading.section->terms + 63) / 64 + !reading.section->terms;
	words = calloc(reading.words, sizeof(*words));
	reading.takers = calloc(reading.words, sizeof(*reading.takers));
	if (!words || !reading.takers)
		error = tg_fail(-ENOMEM, "out of memory: no room to read an image back");
	else if (!reading.terms)
		error = tg_fail_damaged();
	for (uint32_t i = 0; !error && i < reading.section->terms; i++)
		if (!(reading.terms[i].effects &
		      (TG_EFFECT_SHADOW | TG_EFFECT_LIVE | TG_EFFECT_RATE)))
			set_term(reading.takers, i);
	for (int key = 0; key < TG_KEYS && !error; key++)
		if (reading.section->keys >> key & 1)
			error = read_key(&reading, (enum tg_key)key, words);
	free(words);
	if (error)
		tg_reading_close(&reading);
	else
		*out = reading;
	return error;
}

void tg_reading_close(struct tg_reading *reading)
{
	for (int key = 0; key < TG_KEYS; key++) {
		struct tg_reading_key *at = &reading->key[key];

		free((void *)at->all.at);
		free(at->start);
		free(at->held);
		free(at->any);
		free(at->every);
		free(at->sample);
		free(at->seen);
	}
	free(reading->takers);
	*reading = (struct tg_reading){0};
}
