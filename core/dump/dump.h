/* SPDX-License-Identifier: MIT */
/* dump.h - an image that is being read back, rule by rule. */
#ifndef TG_DUMP_DUMP_H
#define TG_DUMP_DUMP_H

#include <stdbool.h>

#include "dump/dump_effects.h"
#include "dump/dump_sweep.h"
#include "dump/dump_texts.h"
#include "image/image.h"
#include "tidegate_private.h"

/* The terms of the rule that was read last, in one section. */
struct tg_dump_terms {
	uint32_t first, end;
};

struct tg_dump {
	const struct tg_image *image;
	struct tg_dump_sweep sweep[TG_PLACES][TG_KEYS]; /* of the keys that were asked for */
	uint32_t rule;                                  /* that was read last */
	struct tg_dump_terms terms[TG_PLACES];          /* its terms */
	int place; /* of its first terms of addresses, or else of unix sockets */
	bool asks_sources;
	uint32_t sources; /* how many products its sources are; 0: not counted yet */
	struct tg_dump_effects effects;
	struct tg_dump_texts items, ports;
};

/*
 * The values that a term asks for; *all: it does not ask.  Reads the whole field when it is first
 * asked for.
 */
int tg_dump_values(struct tg_dump *dump, int place, uint32_t term, enum tg_key key,
		   struct tg_intervals *set, bool *all);

#endif
