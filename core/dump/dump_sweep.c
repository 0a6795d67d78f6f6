/* SPDX-License-Identifier: MIT */
/*
 * dump_sweep.c - what each term of a section asks of a field, as intervals again.
 *
 * The spans of the field are walked once, in order.  Where the class changes, the terms that
 * differ between the two classes begin or end an interval.
 */
#include "dump/dump_sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"
#include "image/section_values.h"

struct record {
	struct tg_interval interval;
	uint32_t term;
};

struct sweep {
	struct tg_view view;
	const struct tg_section *section;
	enum tg_key key;
	bool alias; /* 0 has the class of the loopback address */
	bool begun;
	struct tg_key128 first;  /* of the next span */
	uint32_t words;          /* of a bitset */
	uint64_t *now, *next;    /* bitsets of terms */
	struct tg_key128 *since; /* by term: where its interval began */
	struct record *records;
	size_t count, capacity;
};

static struct tg_key128 before(struct tg_key128 key)
{
	key.hi -= key.lo-- == 0;
	return key;
}

static struct tg_key128 after(struct tg_key128 key)
{
	key.hi += ++key.lo == 0;
	return key;
}

static int end_interval(struct sweep *sweep, uint32_t term, struct tg_key128 last)
{
	int error = tg_array_reserve(sweep->records, sweep->capacity, sweep->count + 1,
				     "intervals of terms");

	if (error)
		return error;
	sweep->records[sweep->count++] = (struct record){{sweep->since[term], last}, term};
	return 0;
}

/* From `first` on, the terms in sweep->next hold; they become sweep->now. */
static int change(struct sweep *sweep, struct tg_key128 first)
{
	uint64_t *swap = sweep->now;
	int error = 0;

	for (uint32_t i = 0; i < sweep->words; i++) {
		uint64_t differ = sweep->now[i] ^ sweep->next[i];

		for (; differ && !error; differ &= differ - 1) {
			uint32_t bit = (uint32_t)__builtin_ctzll(differ);
			uint32_t term = i * TG_WORD_TERMS + bit;

			if (term >= sweep->section->terms)
				return tg_fail_damaged();
			if (sweep->next[i] >> bit & 1)
				sweep->since[term] = first;
			else
				error = end_interval(sweep, term, before(first));
		}
	}
	sweep->now = sweep->next;
	sweep->next = swap;
	return error;
}

static int read_class(const struct sweep *sweep, uint32_t cls, uint64_t *words)
{
	return tg_section_class(&sweep->view, sweep->section, sweep->key, cls, words);
}

/*
 * The address 0 has the class of the loopback address, whatever its terms said of it.  Class 0 was
 * made for it; but if the classes were put in another order, it is taken for what follows it.
 */
static int begin_at_zero(struct sweep *sweep, uint32_t next)
{
	bool parted = sweep->section->singles >> sweep->key & 1;
	int error = read_class(sweep, parted ? next : 0, sweep->next);

	return error ? error : change(sweep, (struct tg_key128){0, 0});
}

static int visit_span(void *context, struct tg_key128 last, uint32_t cls)
{
	struct sweep *sweep = context;
	struct tg_key128 first = sweep->first;
	int error = 0;

	if (sweep->begun && tg_key128_cmp(last, first) < 0)
		return tg_fail_damaged();
	sweep->first = after(last);
	if (!sweep->begun && sweep->alias && !last.hi && !last.lo)
		return 0;
	if (!sweep->begun && sweep->alias) {
		error = begin_at_zero(sweep, cls);
		first = (struct tg_key128){0, 1};
	}
	sweep->begun = true;
	if (!error)
		error = read_class(sweep, cls, sweep->next);
	return error ? error : change(sweep, first);
}

static int end_all(struct sweep *sweep)
{
	int error = 0;

	for (uint32_t term = 0; term < sweep->section->terms && !error; term++)
		if (sweep->now[term / TG_WORD_TERMS] >> (term % TG_WORD_TERMS) & 1)
			error = end_interval(sweep, term, tg_key_max(sweep->key));
	return error;
}

/* Put the records, which are in the order of their ends, in the order of their terms. */
static int sort(const struct sweep *sweep, struct tg_dump_sweep *out)
{
	uint32_t terms = sweep->section->terms;
	size_t *start = calloc((size_t)terms + 2, sizeof(*start));
	struct tg_interval *at = malloc((sweep->count + 1) * sizeof(*at));

	if (!start || !at) {
		free(start);
		free(at);
		return tg_fail(-ENOMEM, "out of memory: no room to read an image back");
	}
	for (size_t i = 0; i < sweep->count; i++)
		start[sweep->records[i].term + 2]++;
	for (uint32_t term = 0; term < terms; term++)
		start[term + 2] += start[term + 1];
	/* Each start moves on to the next term's while the intervals are placed. */
	for (size_t i = 0; i < sweep->count; i++)
		at[start[sweep->records[i].term + 1]++] = sweep->records[i].interval;
	*out = (struct tg_dump_sweep){start, at};
	return 0;
}

int tg_dump_sweep_read(const struct tg_image *image, int place, enum tg_key key,
		       struct tg_dump_sweep *out)
{
	const struct tg_section *section = tg_image_section_at(image->rows, place);
	struct sweep sweep = {
		.view = {image->rows, (uint32_t)(image->bytes / TG_ROW_BYTES)},
		.section = section,
		.key = key,
		.alias = place < TG_OP_COUNT && TG_OPS_EGRESS >> place & 1 &&
			 (key == TG_KEY_ADDR4 || key == TG_KEY_ADDR6),
		.words = tg_section_words(section),
	};
	int error = 0;

	sweep.now = calloc(sweep.words, sizeof(*sweep.now));
	sweep.next = calloc(sweep.words, sizeof(*sweep.next));
	sweep.since = calloc(section->terms + 1, sizeof(*sweep.since));
	if (!sweep.now || !sweep.next || !sweep.since)
		error = tg_fail(-ENOMEM, "out of memory: no room to read an image back");
	if (!error)
		error = tg_section_spans(&sweep.view, section, key, visit_span, &sweep);
	if (!error)
		error = end_all(&sweep);
	if (!error)
		error = sort(&sweep, out);
	free(sweep.now);
	free(sweep.next);
	free(sweep.since);
	free(sweep.records);
	return error;
}

void tg_dump_sweep_free(struct tg_dump_sweep *sweep)
{
	free(sweep->start);
	free(sweep->at);
	*sweep = (struct tg_dump_sweep){0};
}
