/* SPDX-License-Identifier: MIT */
/*
 * dump_pattern.c - sets of names as patterns again.
 *
 * A list of patterns is all that its items are, except those with a '!'.  So the largest pattern
 * is looked for that contains the next name, and whose names that are not in the set are
 * patterns themselves; those become items with a '!'.
 */
#include "dump/dump_pattern.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* More exceptions of one pattern than this are no list that a person wrote. */
#define MOST_GAPS 4096

struct dump {
	const struct tg_dump_name_kind *kind;
	struct tg_dump_texts *texts;
	size_t count; /* of gaps of the pattern that is tried */
	bool write;   /* the gaps */
};

static int cannot_say(void)
{
	return tg_fail(-EOPNOTSUPP, "no patterns are these names");
}

/* The pattern of the first `fixed` bytes of a name; with all bytes it is the name alone. */
static struct tg_dump_names pattern_of(const struct dump *dump, const uint8_t *name, uint32_t fixed)
{
	struct tg_dump_names pattern = {{0}, {0}};

	memcpy(pattern.first, name, fixed);
	memcpy(pattern.last, name, fixed);
	memset(pattern.last + fixed, 0xff, dump->kind->bytes - fixed);
	return pattern;
}

static int compare(const struct dump *dump, const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, dump->kind->bytes);
}

/* The next name, or the previous one; false: there is none. */
static bool step(const struct dump *dump, uint8_t *name, int by)
{
	for (uint32_t i = dump->kind->bytes; i-- > 0;) {
		name[i] = (uint8_t)(name[i] + by);
		if (name[i] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

/* The length of a name: zeros at its end are not part of it, except the one of an abstract name. */
static uint32_t length_of(const struct dump *dump, const uint8_t *name)
{
	uint32_t length = dump->kind->bytes, least = dump->kind->abstract;

	while (length > least && !name[length - 1])
		length--;
	return length;
}

/* Whether a list can have this text: '*' and zeros have a meaning of their own in it. */
static bool can_write(const struct dump *dump, const uint8_t *name, uint32_t length, bool open)
{
	uint32_t i = 0;

	if (!length)
		return open;
	if (dump->kind->abstract && name[0] != '/') {
		if (name[0])
			return false;
		i = 1;
	} else if (!dump->kind->abstract && strchr("!/*", name[0])) {
		return false;
	}
	for (; i < length; i++)
		if (!name[i] || name[i] == '*')
			return false;
	return true;
}

static int write_pattern(const struct dump *dump, bool negated, const uint8_t *name,
			 uint32_t length, bool open)
{
	char text[TG_DUMP_NAME_BYTES + 16];
	char *end = text;

	if (negated)
		*end++ = '!';
	end = stpcpy(end, dump->kind->prefix);
	memcpy(end, name, length);
	if (dump->kind->abstract && length && !name[0])
		*end = '@';
	end += length;
	if (open)
		*end++ = '*';
	*end = 0;
	return tg_dump_texts_add(dump->texts, text);
}

/* How many bytes the largest pattern that begins at `first` and ends by `last` has fixed. */
static uint32_t largest(const struct dump *dump, const uint8_t *first, const uint8_t *last)
{
	uint32_t fixed = length_of(dump, first);

	for (; fixed < dump->kind->bytes; fixed++) {
		struct tg_dump_names pattern = pattern_of(dump, first, fixed);

		if (compare(dump, pattern.last, last) <= 0)
			break;
	}
	return fixed;
}

/* The names from `first` to `last`, none of which is in the set, as items with a '!'. */
static int dump_gap(struct dump *dump, const uint8_t *first, const uint8_t *last)
{
	uint8_t from[TG_DUMP_NAME_BYTES];

	memcpy(from, first, sizeof(from));
	for (;;) {
		uint32_t fixed = largest(dump, from, last);
		bool single = fixed == dump->kind->bytes;
		uint32_t length = single ? length_of(dump, from) : fixed;
		struct tg_dump_names pattern = pattern_of(dump, from, fixed);
		int error;

		if (++dump->count > MOST_GAPS || !can_write(dump, from, length, !single))
			return -EOPNOTSUPP;
		error = dump->write ? write_pattern(dump, true, from, length, !single) : 0;
		if (error || compare(dump, pattern.last, last) == 0)
			return error;
		memcpy(from, pattern.last, sizeof(from));
		step(dump, from, 1);
	}
}

/* Everything of a pattern that is in none of the intervals, of which *next is the first. */
static int dump_gaps(struct dump *dump, const struct tg_dump_names *pattern,
		     const struct tg_dump_names *at, size_t count)
{
	uint8_t from[TG_DUMP_NAME_BYTES], end[TG_DUMP_NAME_BYTES];

	memcpy(from, pattern->first, sizeof(from));
	for (size_t i = 0; i < count; i++) {
		int error = 0;

		if (compare(dump, at[i].first, pattern->last) > 0)
			break;
		memcpy(end, at[i].first, sizeof(end));
		if (compare(dump, from, at[i].first) < 0 && step(dump, end, -1))
			error = dump_gap(dump, from, end);
		if (error || compare(dump, at[i].last, pattern->last) >= 0)
			return error;
		memcpy(from, at[i].last, sizeof(from));
		step(dump, from, 1);
	}
	return dump_gap(dump, from, pattern->last);
}

/* The largest pattern around a name of the set whose gaps can be written. */
static int dump_around(struct dump *dump, const uint8_t *name, const struct tg_dump_names *at,
		       size_t count, uint8_t *last)
{
	uint32_t length = length_of(dump, name);

	for (uint32_t fixed = 0; fixed <= dump->kind->bytes; fixed++) {
		struct tg_dump_names pattern = pattern_of(dump, name, fixed);
		bool single = fixed == dump->kind->bytes;
		uint32_t written = single ? length : fixed;
		int error;

		if (!can_write(dump, name, written, !single))
			continue;
		dump->count = 0;
		dump->write = false;
		if (dump_gaps(dump, &pattern, at, count))
			continue;
		error = write_pattern(dump, false, name, written, !single);
		dump->write = true;
		if (!error)
			error = dump_gaps(dump, &pattern, at, count);
		memcpy(last, pattern.last, sizeof(pattern.last));
		return error;
	}
	return cannot_say();
}

int tg_dump_patterns(const struct tg_dump_name_kind *kind, const struct tg_dump_names *at,
		     size_t count, struct tg_dump_texts *texts)
{
	struct dump dump = {.kind = kind, .texts = texts};
	struct tg_dump_names rest;
	size_t i = 0;

	if (count)
		rest = at[0];
	while (i < count) {
		uint8_t last[TG_DUMP_NAME_BYTES];
		int error = dump_around(&dump, rest.first, at + i, count - i, last);

		if (error)
			return error;
		while (i < count && compare(&dump, at[i].last, last) <= 0)
			i++;
		if (i == count)
			break;
		rest = at[i];
		if (compare(&dump, rest.first, last) <= 0) {
			memcpy(rest.first, last, sizeof(rest.first));
			step(&dump, rest.first, 1);
		}
	}
	return 0;
}
