/* SPDX-License-Identifier: MIT */
/*
 * image.h - a compiled policy in memory: its rows and its sections.  What its
 * bytes mean is in bpf/layout/image_layout.h.
 */
#ifndef TG_IMAGE_IMAGE_H
#define TG_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/layout/image_layout.h"
#include "tidegate.h"

struct tg_image {
	void *rows; /* struct tg_image_header first; from malloc() */
	size_t bytes;
	struct tg_image_tables *tables; /* NULL until tg_image_tables() makes them */
};

static inline const void *tg_image_row(const void *rows, uint32_t row)
{
	return (const char *)rows + (size_t)row * TG_ROW_BYTES;
}

/*
 * The places of sections: by operation, and, from TG_OP_COUNT on, by operation of
 * unix sockets.
 */
#define TG_PLACES (2 * TG_OP_COUNT)

/* The first row of the section at a place; 0: the image has none there. */
static inline uint32_t tg_image_section_row(const void *rows, int place)
{
	const struct tg_image_header *header = tg_image_row(rows, 0);
	const struct tg_image_about *about = tg_image_row(rows, 1);

	return place < TG_OP_COUNT ? header->section[place]
				   : about->unix_section[place - TG_OP_COUNT];
}

/* The section at a place; NULL: the image has none there. */
static inline const struct tg_section *tg_image_section_at(const void *rows, int place)
{
	uint32_t row = tg_image_section_row(rows, place);

	return row ? tg_image_row(rows, row) : NULL;
}

/*
 * The first section at `*place` or after it, and its place; NULL: there are no more.
 * for (int place = 0; (section = tg_image_section_next(rows, &place)); place++)
 */
static inline const struct tg_section *tg_image_section_next(const void *rows, int *place)
{
	for (; *place < TG_PLACES; ++*place)
		if (tg_image_section_row(rows, *place))
			return tg_image_section_at(rows, *place);
	return NULL;
}

/* The terms of a section; the section's default follows them. */
static inline const struct tg_term *tg_image_terms(const void *rows,
						   const struct tg_section *section)
{
	return tg_image_row(rows, section->term_row);
}

/* The summary in a section of a bitset of `terms` terms, if none of the words is zero. */
static inline void tg_section_summary(uint32_t terms, __u64 summary[TG_SUMMARY_WORDS])
{
	uint32_t words = (terms + TG_WORD_TERMS - 1) / TG_WORD_TERMS;

	for (uint32_t i = 0; i < TG_SUMMARY_WORDS; i++, words -= words < 64 ? words : 64)
		summary[i] = words >= 64 ? ~0ull : (1ull << words) - 1;
}

#endif
