/* SPDX-License-Identifier: MIT */
/* section_reader.c - one operation's section of an image, read back. */
#include "lint/section_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "image/section_values.h"

/* Pairs of a term and a class of one field: 32 MiB. */
#define MOST_PAIRS (1u << 24)

static void set_term(uint64_t *words, uint32_t term)
{
	words[term / 64] |= 1ull << (term % 64);
}

int tg_section_reader_terms(const struct tg_section_reader *reader, enum tg_key key, uint32_t cls,
			    uint64_t *words)
{
	return tg_section_class(&reader->view, reader->section, key, cls, words);
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

struct sampler {
	const struct tg_section_reader_key *at;
	uint32_t classes;
};

/* The sample of a class is the last value of one of its intervals. */
static int take_sample(void *context, struct tg_key128 last, uint32_t cls)
{
	const struct sampler *sampler = context;

	if (cls >= sampler->classes)
		return 0;
	sampler->at->sample[cls] = last;
	sampler->at->seen[cls] = true;
	return 0;
}

static int take_samples(struct tg_section_reader *reader, enum tg_key key)
{
	struct sampler sampler = {&reader->key[key], reader->section->tree[key].classes};

	return tg_section_spans(&reader->view, reader->section, key, take_sample, &sampler);
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
	reader.words = tg_section_words(reader.section);
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
