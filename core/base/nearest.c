/* SPDX-License-Identifier: MIT */
/* nearest.c - which of some names the writer of an unknown one most likely meant. */
#include "base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Rows of the table of edits: the last two, and the one that is being filled. */
struct edits {
	size_t rows[3][TG_NEAREST_BYTES];
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Fill the row of `a[i - 1]`: letters are inserted, deleted or replaced, or two are swapped. */
static void fill_row(struct edits *edits, const char *a, size_t i, const char *b)
{
	const size_t *before = edits->rows[(i + 1) % 3], *last = edits->rows[(i + 2) % 3];
	size_t *row = edits->rows[i % 3];

	row[0] = i;
	for (size_t j = 1; b[j - 1]; j++) {
		row[j] = least(last[j], row[j - 1]) + 1;
		row[j] = least(row[j], last[j - 1] + !same(a[i - 1], b[j - 1]));
		if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
			row[j] = least(row[j], before[j - 2] + 1);
	}
}

static size_t distance(const char *a, const char *b)
{
	struct edits edits;
	size_t i;

	for (size_t j = 0; j <= strlen(b); j++)
		edits.rows[0][j] = j;
	for (i = 1; a[i - 1]; i++)
		fill_row(&edits, a, i, b);
	return edits.rows[(i - 1) % 3][strlen(b)];
}

void tg_nearest_start(struct tg_nearest *nearest, const char *word)
{
	size_t length = strlen(word);

	*nearest = (struct tg_nearest){.word = word};
	if (length < TG_NEAREST_BYTES)
		nearest->bound = length < 3 ? 2 : length / 3 + 1;
}

void tg_nearest_try(struct tg_nearest *nearest, const char *name)
{
	size_t length = strlen(name), edits;

	if (!nearest->bound || length >= TG_NEAREST_BYTES)
		return;
	edits = distance(nearest->word, name);
	if (edits >= nearest->bound || edits >= length)
		return;
	nearest->bound = edits;
	memcpy(nearest->best, name, length + 1);
}

const char *tg_nearest_hint(struct tg_nearest *nearest, const char *otherwise)
{
	if (!*nearest->best)
		return otherwise;
	snprintf(nearest->hint, sizeof(nearest->hint), "; did you mean \"%s\"?", nearest->best);
	return nearest->hint;
}
