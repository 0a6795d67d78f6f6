/* SPDX-License-Identifier: MIT */
/*
 * counter_slots.h - which slot a rule's counters are in.
 *
 * A rule keeps its slot, and so its counters, as long as each image that is
 * published has a rule of its name.
 */
#ifndef TG_GATE_COUNTER_SLOTS_H
#define TG_GATE_COUNTER_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"

struct tg_slot_table {
	char **name; /* by slot; NULL: free.  The first TG_OP_COUNT slots are those of the defaults.
		      */
	uint64_t *last; /* by slot: if it is free, the last generation that counts in it */
	uint32_t count;
	uint32_t *of_rule; /* by rule of the image that the table was made for */
	uint32_t rules;
};

/*
 * Make the table for an image.  `old` is that of generation `in_force`; no program counts by
 * an image up to generation `ended`.
 */
int tg_slots_assign(const struct tg_slot_table *old, uint64_t in_force, uint64_t ended,
		    const struct tg_image *image, struct tg_slot_table *table);

/* Make the table that an image was stamped by.  -EFAULT: not by a gate with so many slots. */
int tg_slots_read(const void *rows, uint32_t most, struct tg_slot_table *table);

/* Whether a slot is that of a rule in one table, and was free in the table before it. */
bool tg_slot_is_new(const struct tg_slot_table *old, const struct tg_slot_table *table,
		    uint32_t slot);

/* How many slots the maps of the counters must have. */
uint32_t tg_slots_needed(const struct tg_slot_table *table);
void tg_slots_free(struct tg_slot_table *table);

#endif
