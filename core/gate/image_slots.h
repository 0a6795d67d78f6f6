/* SPDX-License-Identifier: MIT */
/*
 * image_slots.h - the images in the kernel, and which of them is in force.
 *
 * A program set has one map of the last images, each in the slot of its generation, and
 * one word that says which generation is in force.  Programs read the word once a call.
 * So an image is put in force by one store, and a slot is written again only when no
 * program reads it: see generations.h.
 */
#ifndef TG_GATE_IMAGE_SLOTS_H
#define TG_GATE_IMAGE_SLOTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "gate/counter_slots.h"
#include "gate/program.h"

/* A slot, mapped: its first `bytes`. */
struct tg_image_slot {
	void *rows; /* NULL: not mapped */
	size_t bytes;
	off_t offset;        /* in the map */
	uint64_t generation; /* of the image */
};

/* Map the slot of a generation, for writing.  No child inherits the mapping. */
int tg_image_slot_map(const struct tg_program_set *set, uint64_t generation, size_t bytes,
		      struct tg_image_slot *slot);
void tg_image_slot_unmap(struct tg_image_slot *slot);

/* Let children inherit the mapping, too. */
int tg_image_slot_share(const struct tg_image_slot *slot);

/* Give up the right to write it. */
int tg_image_slot_protect(const struct tg_program_set *set, const struct tg_image_slot *slot);

/* Whether the slot still has, or again has, the image that it was mapped for. */
static inline bool tg_image_slot_is_whole(const struct tg_image_slot *slot)
{
	const struct tg_image_header *header = slot->rows;

	return __atomic_load_n(&header->generation, __ATOMIC_ACQUIRE) == slot->generation;
}

/* Write an image, stamped for this gate: see stamp.h. */
void tg_image_slot_write(const struct tg_image_slot *slot, const void *rows,
			 const struct tg_slot_table *slots, const uint32_t *tables);

/* Copy the image in force to the same generation's slot of a wider set: it stays as it is. */
int tg_image_slot_copy(const struct tg_program_set *from, uint64_t generation, size_t bytes,
		       const struct tg_image_slot *to);

/* Put the image of a generation in force; `deny`: operations, see TG_DENY_UNKNOWN_SHIFT. */
static inline void tg_put_in_force(const struct tg_program_set *set, uint64_t generation,
				   uint32_t deny)
{
	__atomic_store_n(set->in_force, TG_IN_FORCE(generation, deny), __ATOMIC_RELEASE);
}

static inline uint64_t tg_in_force(const struct tg_program_set *set)
{
	return __atomic_load_n(set->in_force, __ATOMIC_ACQUIRE);
}

#endif
