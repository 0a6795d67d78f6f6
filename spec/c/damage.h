/* SPDX-License-Identifier: MIT */
/* damage.h - the ways in which the bytes of an image are damaged. */
#ifndef TG_SPEC_DAMAGE_H
#define TG_SPEC_DAMAGE_H

#include <stddef.h>

enum damage {
	ONE_BIT,               /* as it comes off a bad disk */
	SHORTER,               /* a copy that was cut short */
	NOISE,                 /* something else altogether */
	ACCIDENTS,             /* the last that the checksum guards against */
	SOME_BITS = ACCIDENTS, /* from here on somebody made the checksum right again */
	SOME_WORDS,
	HEAD_WORDS, /* those that say where everything is */
	SWAPPED_ROWS,
	CUT_ROWS,
	DAMAGES,
};

struct bytes {
	unsigned char *at; /* a block of its own, so that the sanitizer knows its end */
	size_t size;
};

/* To be freed by who has it. */
struct bytes copy_bytes(const void *from, size_t size);

/* The bytes may move, and be fewer then. */
void inflict(struct bytes *bytes, enum damage damage);

#endif
