/* SPDX-License-Identifier: MIT */
/*
 * counter_slots.h - which slot a rule's counters are in.
 *
 * A rule keeps its slot, and so its counters, as long as each image that is
 * published has a rule of its name.
 */
#ifndef TG_GATE_COUNTER_SLOTS_H
#define TG_GATE_COUNTER_SLOTS_H

#include <stdint.h>

#include "image/image.h"

struct tg_slot_table {
	char **name; /* by slot; NULL: free.  The first TG_OP_COUNT slots are those of the defaults.
		      */
	uint32_t count;
	uint32_t *of_rule; /* by rule of the image that the table was made for */
	uint32_t rules;
};

/* Make the table for an image.  `old` is that of the image in force. */
int tg_slots_assign(const struct tg_slot_table *old, const struct tg_image *image,
		    struct tg_slot_table *table);

/* How many slots the maps of the counters must have. */
uint32_t tg_slots_needed(const struct tg_slot_table *table);
void tg_slots_free(struct tg_slot_table *table);

#endif
