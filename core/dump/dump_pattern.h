/* SPDX-License-Identifier: MIT */
/*
 * dump_pattern.h - sets of names as patterns again: "nginx", "ngin*", "!nginx".
 *
 * A name is a number of a fixed number of bytes, filled up with zeros; a pattern is all names
 * from one on to the same filled up with ones.
 */
#ifndef TG_DUMP_DUMP_PATTERN_H
#define TG_DUMP_DUMP_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "dump/dump_texts.h"

/* The most bytes of a name. */
#define TG_DUMP_NAME_BYTES 112

struct tg_dump_names {
	uint8_t first[TG_DUMP_NAME_BYTES], last[TG_DUMP_NAME_BYTES];
};

/* Names of one kind: of how many bytes, and what stands before them as text. */
struct tg_dump_name_kind {
	uint32_t bytes;
	const char *prefix; /* "unix:" */
	bool abstract;      /* a zero in front is written as '@' */
};

/*
 * Add the patterns of a set of intervals, which are in order and do not touch.  -EOPNOTSUPP: no
 * patterns are this set.
 */
int tg_dump_patterns(const struct tg_dump_name_kind *kind, const struct tg_dump_names *at,
		     size_t count, struct tg_dump_texts *texts);

#endif
