/* SPDX-License-Identifier: MIT */
/* dump_sweep.h - what each term of a section asks of a field, as intervals again. */
#ifndef TG_DUMP_DUMP_SWEEP_H
#define TG_DUMP_DUMP_SWEEP_H

#include "base/interval.h"
#include "image/image.h"

/* The intervals of term i are at[start[i]] to at[start[i + 1]], in ascending order. */
struct tg_dump_sweep {
	size_t *start;
	struct tg_interval *at;
};

/*
 * Read a field of the section at a place, which has a tree of it.  Takes time in proportion to
 * the spans and to what it returns.  -EINVAL: damaged image; -ENOMEM.
 */
int tg_dump_sweep_read(const struct tg_image *image, int place, enum tg_key key,
		       struct tg_dump_sweep *sweep);
void tg_dump_sweep_free(struct tg_dump_sweep *sweep);

/* The intervals of a term; it may not be changed or freed. */
static inline struct tg_intervals tg_dump_sweep_term(const struct tg_dump_sweep *sweep,
						     uint32_t term)
{
	size_t count = sweep->start[term + 1] - sweep->start[term];

	return (struct tg_intervals){sweep->at + sweep->start[term], count, count};
}

#endif
