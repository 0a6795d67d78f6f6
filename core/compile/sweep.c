/* SPDX-License-Identifier: MIT */
/*
 * sweep.c - from the sets of the terms to the classes of a field's values.
 *
 * Each end of an interval is an event that toggles one set.  The events are
 * walked once, in order.  The sets that hold are identified by a 128-bit hash,
 * the XOR of a random number for each of them (Zobrist), so that an event costs
 * one lookup in a hash table, and only a new class costs a bitset.  Terms that
 * ask for equal sets share one column; terms that do not restrict the field are
 * in every class.
 */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/field.h"

#define NO_TERM UINT32_MAX

struct column {
	const struct tg_intervals *set;
	struct tg_key128 random;
	uint64_t digest; /* of the set */
	uint32_t first;  /* term; the others are in sweep.next */
};

struct event {
	struct tg_key128 key; /* the first value for which the set is toggled */
	uint32_t column;
};

struct known {
	struct tg_key128 hash;
	uint32_t cls; /* counts from 1; 0: a free entry */
};

struct sweep {
	struct tg_key128 max;
	struct column *columns;
	uint32_t column_count;
	uint32_t *next; /* by term: the next one of the same column */
	struct event *events;
	size_t event_count;
	struct known *known;
	size_t known_capacity; /* a power of two */
	struct tg_key128 hash;
	uint64_t active[TG_BITSET_WORDS + 1]; /* columns */
	uint64_t base[TG_BITSET_WORDS];       /* terms that do not restrict the field */
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static void set_bit(uint64_t *words, uint32_t bit)
{
	words[bit / 64] |= 1ull << (bit % 64);
}

static bool key_is(struct tg_key128 a, struct tg_key128 b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

static int out_of_memory(size_t ranks)
{
	return tg_fail(-ENOMEM, "out of memory: no room for %zu boundaries", ranks);
}

/* --- Columns ----------------------------------------------------------------- */

static uint64_t set_digest(const struct tg_intervals *set)
{
	uint64_t digest = set->count;

	for (size_t i = 0; i < set->count; i++) {
		const struct tg_interval *at = &set->at[i];

		digest = (digest ^ at->first.hi) * 0x9e3779b97f4a7c15ull;
		digest = (digest ^ at->first.lo ^ digest >> 29) * 0xbf58476d1ce4e5b9ull;
		digest = (digest ^ at->last.hi ^ digest >> 32) * 0x94d049bb133111ebull;
		digest = (digest ^ at->last.lo ^ digest >> 29) * 0x9e3779b97f4a7c15ull;
	}
	return digest ^ digest >> 32;
}

/* The table's entry of a column with an equal set, or the free entry where it belongs. */
static uint32_t *column_place(const struct sweep *sweep, uint32_t *table, uint32_t size,
			      const struct tg_intervals *set, uint64_t digest)
{
	for (uint32_t i = (uint32_t)digest;; i++) {
		uint32_t *place = &table[i & (size - 1)];
		const struct column *column;

		if (*place == NO_TERM)
			return place;
		column = &sweep->columns[*place];
		if (column->set == set ||
		    (column->digest == digest && tg_intervals_equal(column->set, set)))
			return place;
	}
}

/*
 * Add a column without terms for all named cgroups, so that none of them shares
 * a class with the cgroups that are not named, which have the class of value 0.
 */
static void add_named_column(struct sweep *sweep, const struct tg_terms *terms)
{
	sweep->columns[sweep->column_count++] = (struct column){
		.set = &terms->cgroups.keys,
		.random = {mix(2 * terms->count), mix(2 * terms->count + 1)},
		.first = NO_TERM,
	};
}

static int make_columns(struct sweep *sweep, const struct tg_terms *terms, enum tg_key key)
{
	uint32_t size = 1;
	uint32_t *table;

	while (size < 2 * terms->count)
		size *= 2;
	table = malloc(size * sizeof(*table));
	sweep->columns = malloc((terms->count + 1) * sizeof(*sweep->columns));
	sweep->next = malloc(terms->count * sizeof(*sweep->next));
	if (!table || !sweep->columns || !sweep->next) {
		free(table);
		return tg_fail(-ENOMEM, "out of memory: no room for %u terms", terms->count);
	}
	memset(table, 0xff, size * sizeof(*table));
	for (uint32_t term = 0; term < terms->count; term++) {
		const struct tg_intervals *set = terms->conditions[term].set[key];
		uint64_t digest;
		uint32_t *place;

		if (!set) {
			set_bit(sweep->base, term);
			continue;
		}
		digest = set_digest(set);
		place = column_place(sweep, table, size, set, digest);
		if (*place == NO_TERM) {
			*place = sweep->column_count;
			sweep->columns[sweep->column_count++] = (struct column){
				set, {mix(2 * term), mix(2 * term + 1)}, digest, NO_TERM};
		}
		sweep->next[term] = sweep->columns[*place].first;
		sweep->columns[*place].first = term;
	}
	free(table);
	if (key == TG_KEY_CGROUP)
		add_named_column(sweep, terms);
	return 0;
}

/* --- Events ------------------------------------------------------------------ */

static struct event *put_events(const struct sweep *sweep, uint32_t column, struct event *event)
{
	const struct tg_intervals *set = sweep->columns[column].set;

	for (size_t i = 0; i < set->count; i++) {
		struct tg_key128 last = set->at[i].last;

		*event++ = (struct event){set->at[i].first, column};
		if (key_is(last, sweep->max))
			continue;
		last.hi += ++last.lo == 0;
		*event++ = (struct event){last, column};
	}
	return event;
}

static void merge_runs(const struct event *a, const struct event *a_end, const struct event *b,
		       const struct event *b_end, struct event *out)
{
	while (a < a_end && b < b_end)
		*out++ = tg_key128_cmp(a->key, b->key) <= 0 ? *a++ : *b++;
	memcpy(out, a, (size_t)(a_end - a) * sizeof(*a));
	memcpy(out + (a_end - a), b, (size_t)(b_end - b) * sizeof(*b));
}

/* The events of a column are in order already: merge neighbours until one run is left. */
static int sort_events(struct sweep *sweep, size_t *run, uint32_t runs)
{
	struct event *from = sweep->events;
	struct event *to;

	if (runs < 2)
		return 0;
	to = malloc((sweep->event_count + 1) * sizeof(*to));
	if (!to)
		return out_of_memory(sweep->event_count);
	while (runs > 1) {
		struct event *swap = from;
		uint32_t merged = 0;

		for (uint32_t i = 0; i < runs; i += 2) {
			size_t middle = run[i + 1];
			size_t end = i + 1 < runs ? run[i + 2] : middle;

			merge_runs(from + run[i], from + middle, from + middle, from + end,
				   to + run[i]);
			run[merged++] = run[i];
		}
		run[merged] = sweep->event_count;
		runs = merged;
		from = to;
		to = swap;
	}
	sweep->events = from;
	free(to);
	return 0;
}

static int make_events(struct sweep *sweep)
{
	size_t *run = malloc((sweep->column_count + 1) * sizeof(*run));
	size_t capacity = 0;
	struct event *end;
	int error;

	for (uint32_t i = 0; i < sweep->column_count; i++)
		capacity += 2 * sweep->columns[i].set->count;
	sweep->events = malloc((capacity + 1) * sizeof(*sweep->events));
	if (!run || !sweep->events) {
		free(run);
		return out_of_memory(capacity);
	}
	end = sweep->events;
	for (uint32_t i = 0; i < sweep->column_count; i++) {
		run[i] = (size_t)(end - sweep->events);
		end = put_events(sweep, i, end);
	}
	sweep->event_count = run[sweep->column_count] = (size_t)(end - sweep->events);
	error = sort_events(sweep, run, sweep->column_count);
	free(run);
	return error;
}

/* --- Classes ----------------------------------------------------------------- */

static struct known *known_place(const struct sweep *sweep, struct tg_key128 hash)
{
	size_t i = hash.lo;

	while (sweep->known[i & (sweep->known_capacity - 1)].cls &&
	       !key_is(sweep->known[i & (sweep->known_capacity - 1)].hash, hash))
		i++;
	return &sweep->known[i & (sweep->known_capacity - 1)];
}

static int known_grow(struct sweep *sweep)
{
	struct known *old = sweep->known;
	size_t old_capacity = sweep->known_capacity;
	size_t capacity = old_capacity ? 4 * old_capacity : 256;
	struct known *known = calloc(capacity, sizeof(*known));

	if (!known)
		return tg_fail(-ENOMEM, "out of memory: no room for %zu classes", capacity);
	sweep->known = known;
	sweep->known_capacity = capacity;
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].cls)
			*known_place(sweep, old[i].hash) = old[i];
	free(old);
	return 0;
}

/* Add a class: the terms that hold now. */
static int add_class(const struct sweep *sweep, struct tg_bitsets *bitsets)
{
	uint64_t words[TG_BITSET_WORDS];

	if (bitsets->count == TG_MAX_CLASSES)
		return tg_fail(-E2BIG,
			       "the rules overlap in more than %u ways, which is the limit; use "
			       "fewer rules, or rules that overlap less",
			       TG_MAX_CLASSES);
	memcpy(words, sweep->base, sizeof(words));
	for (uint32_t i = 0; i < TG_BITSET_WORDS + 1; i++)
		for (uint64_t left = sweep->active[i]; left; left &= left - 1) {
			uint32_t column = i * 64 + (uint32_t)__builtin_ctzll(left);
			uint32_t term = sweep->columns[column].first;

			for (; term != NO_TERM; term = sweep->next[term])
				set_bit(words, term);
		}
	return tg_bitsets_add(bitsets, words);
}

static int find_class(struct sweep *sweep, struct tg_bitsets *bitsets, uint32_t *cls)
{
	struct known *known;
	int error;

	if (2 * bitsets->count >= sweep->known_capacity) {
		error = known_grow(sweep);
		if (error)
			return error;
	}
	known = known_place(sweep, sweep->hash);
	if (!known->cls) {
		error = add_class(sweep, bitsets);
		if (error)
			return error;
		*known = (struct known){sweep->hash, bitsets->count};
	}
	*cls = known->cls - 1;
	return 0;
}

/* --- The sweep ---------------------------------------------------------------- */

static void toggle(struct sweep *sweep, uint32_t column)
{
	sweep->hash.hi ^= sweep->columns[column].random.hi;
	sweep->hash.lo ^= sweep->columns[column].random.lo;
	sweep->active[column / 64] ^= 1ull << (column % 64);
}

static int walk_events(struct sweep *sweep, struct tg_partition *partition)
{
	struct tg_key128 start = {0, 0};
	size_t i = 0;

	for (;;) {
		struct tg_key128 last = sweep->max;
		uint32_t cls;
		int error;

		for (; i < sweep->event_count && key_is(sweep->events[i].key, start); i++)
			toggle(sweep, sweep->events[i].column);
		if (i < sweep->event_count) {
			start = last = sweep->events[i].key;
			last.hi -= last.lo-- == 0;
		}
		error = find_class(sweep, &partition->bitsets, &cls);
		if (error)
			return error;
		if (partition->count && partition->at[partition->count - 1].cls == cls)
			partition->at[partition->count - 1].last = last;
		else
			partition->at[partition->count++] = (struct tg_span){last, cls};
		if (key_is(last, sweep->max))
			break;
	}
	if (partition->count > TG_MAX_BOUNDARIES)
		return tg_fail(-E2BIG,
			       "the rules have %zu boundaries, the limit is %u; use fewer patterns",
			       partition->count, TG_MAX_BOUNDARIES);
	return 0;
}

int tg_partition_sweep(const struct tg_terms *terms, enum tg_key key,
		       struct tg_partition *partition)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));
	struct tg_partition fresh = {.bitsets.terms = terms->count};
	int error;

	if (!sweep)
		return tg_fail(-ENOMEM, "out of memory: no room for a sweep");
	sweep->max = tg_key_max(key);
	error = make_columns(sweep, terms, key);
	if (!error)
		error = make_events(sweep);
	if (error)
		goto out;
	/* One more span in front, for tg_partition_alias_zero(). */
	fresh.memory = malloc((sweep->event_count + 2) * sizeof(*fresh.memory));
	if (!fresh.memory) {
		error = out_of_memory(sweep->event_count);
		goto out;
	}
	fresh.at = fresh.memory + 1;
	error = walk_events(sweep, &fresh);
	if (error)
		goto out;
	*partition = fresh;
	fresh = (struct tg_partition){0};
out:
	tg_partition_free(&fresh);
	free(sweep->columns);
	free(sweep->next);
	free(sweep->events);
	free(sweep->known);
	free(sweep);
	return error;
}

void tg_partition_alias_zero(struct tg_partition *partition, struct tg_key128 key)
{
	const struct tg_span *span = partition->at;
	uint32_t cls;

	while (tg_key128_cmp(span->last, key) < 0)
		span++;
	cls = span->cls;
	if (partition->at[0].cls == cls)
		return;
	if (!key_is(partition->at[0].last, (struct tg_key128){0, 0})) {
		partition->at--;
		partition->count++;
		partition->at[0].last = (struct tg_key128){0, 0};
	}
	partition->at[0].cls = cls;
	if (partition->at[1].cls == cls) {
		partition->at++;
		partition->count--;
	}
}

void tg_partition_free(struct tg_partition *partition)
{
	tg_bitsets_free(&partition->bitsets);
	free(partition->memory);
	*partition = (struct tg_partition){0};
}
