/* SPDX-License-Identifier: MIT */
/* stamp.h - what a gate writes into its copy of an image. */
#ifndef TG_GATE_STAMP_H
#define TG_GATE_STAMP_H

#include "gate/counter_slots.h"

/*
 * Replace the slots and the numbers of tables that the compiler wrote by those
 * of the gate, and the rows of lists of backends by those in the image.  `tables`: by
 * table of the image.  The checksum is left as it is: nothing verifies the copy.
 */
void tg_stamp(void *rows, const struct tg_slot_table *slots, const uint32_t *tables);

#endif
