/* SPDX-License-Identifier: MIT */
/*
 * generations.h - which of the last images programs may still be reading.
 *
 * A call reads one image to its end, also if another is put in force meanwhile.  So what
 * an image refers to (its slot, its rules' counters, its live tables) is used again only
 * when the programs that ran with it have ended.
 */
#ifndef TG_GATE_GENERATIONS_H
#define TG_GATE_GENERATIONS_H

#include <stdint.h>

#include "bpf/layout/program_spec.h"
#include "gate/grace.h"

struct tg_generations {
	struct tg_grace grace;
	uint64_t ended;                      /* no program reads an image up to this generation */
	uint64_t replaced_ns[TG_MAX_IMAGES]; /* when the others were replaced: by generation */
};

/* Note that another image has just replaced this generation. */
void tg_generation_replaced(struct tg_generations *generations, uint64_t generation);

/* The last generation that no program reads any more, before the one in force; 0: unknown. */
uint64_t tg_generations_ended(struct tg_generations *generations, uint64_t in_force);

/* Wait until no program reads `last`, which is not in force, or an image before it. */
int tg_generations_wait(struct tg_generations *generations, uint64_t last);

#endif
