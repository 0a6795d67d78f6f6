/* SPDX-License-Identifier: MIT */
/* counters.h - the counters that the programs of one set write: hits, and state of the log rate. */
#ifndef TG_GATE_COUNTERS_H
#define TG_GATE_COUNTERS_H

#include "gate/program.h"
#include "gate/counter_slots.h"

/* The two maps, mapped into memory.  See struct tg_hits and struct tg_slot. */
struct tg_counter_maps {
	struct tg_hits *hits; /* [copy * slot_count + slot] */
	struct tg_slot *slots;
	uint32_t slot_count;
	uint32_t copies;
};

int tg_counters_map(const struct tg_program_set *set, struct tg_counter_maps *counters);
void tg_counters_unmap(struct tg_counter_maps *counters);

/* Give up the right to write them.  `set` is the one that they were mapped for. */
int tg_counters_protect(const struct tg_program_set *set, const struct tg_counter_maps *counters);

/* The sum of all copies of a slot. */
void tg_counters_read(const struct tg_counter_maps *maps, uint32_t slot,
		      struct tg_counters *counters);

/* Add the counts of an old program set, which no longer runs. */
void tg_counters_fold(struct tg_counter_maps *into, const struct tg_counter_maps *from);

/*
 * Before a publish: clear the slots that get other rules.  After it: reset the log rates
 * that would keep a rule silent for longer than its rate in the new image allows.
 */
void tg_counters_clear(struct tg_counter_maps *counters, const struct tg_slot_table *old,
		       const struct tg_slot_table *now);
void tg_counters_settle(struct tg_counter_maps *counters, const struct tg_slot_table *table,
			const void *rows);

#endif
