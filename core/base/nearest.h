/* SPDX-License-Identifier: MIT */
/* nearest.h - which of some names the writer of an unknown one most likely meant. */
#ifndef TG_BASE_NEAREST_H
#define TG_BASE_NEAREST_H

#include <stddef.h>

/* Names of this length are compared, and longer ones never meant. */
#define TG_NEAREST_BYTES 64

/* A search: start it, show it each name, then ask for the hint. */
struct tg_nearest {
	const char *word;
	size_t bound; /* the edits that are too many */
	char best[TG_NEAREST_BYTES];
	char hint[TG_NEAREST_BYTES + 32];
};

void tg_nearest_start(struct tg_nearest *nearest, const char *word);
void tg_nearest_try(struct tg_nearest *nearest, const char *name);

/* `; did you mean "banned"?`, or `otherwise`; valid as long as the search. */
const char *tg_nearest_hint(struct tg_nearest *nearest, const char *otherwise);

#endif
