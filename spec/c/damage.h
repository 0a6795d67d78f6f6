/* SPDX-License-Identifier: MIT */
/* damage.h - the ways in which the bytes of an image are damaged. */
#ifndef TG_SPEC_DAMAGE_H
#define TG_SPEC_DAMAGE_H

#include <stddef.h>

enum damage {
	ONE_BIT,               /* as from a bad disk */
	SHORTER,               /* a copy that was cut short */
	NOISE,                 /* something else altogether */
	ACCIDENTS,             /* how many of these there are: the checksum detects them */
	SOME_BITS = ACCIDENTS, /* from here on the checksum is made right again */
	SOME_WORDS,
	HEAD_WORDS, /* words of the first rows, which say where everything is */
	SWAPPED_ROWS,
	CUT_ROWS,
	DAMAGES,
};

struct bytes {
	unsigned char *at; /* allocated on its own, so that the sanitizer knows its end */
	size_t size;
};

/* The caller frees the copy's bytes. */
struct bytes copy_bytes(const void *from, size_t size);

/* The bytes may be moved, and become fewer. */
void inflict(struct bytes *bytes, enum damage damage);

#endif
