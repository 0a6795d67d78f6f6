/* SPDX-License-Identifier: MIT */
/*
 * program.h - a program set: the BPF programs, loaded for one struct tg_spec.
 *
 * A set enforces any image that its spec covers.  A wider image gets a new set,
 * which takes over the shared maps (events, sockets' state).
 */
#ifndef TG_GATE_PROGRAM_H
#define TG_GATE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/layout/program_spec.h"
#include "gate/shared_maps.h"

struct tg_program_set {
	struct tg_spec spec;
	uint32_t hooks; /* bits: which of the programs are loaded */
	struct tidegate_bpf *skeleton;
	struct unix_bpf *unix_skeleton; /* NULL: no hook of unix sockets is among `hooks` */
	/* The skeletons own these descriptors, and the mapping. */
	int program[TG_HOOK_COUNT];
	int images;
	int hits;
	int slots;
	int word;        /* the map of the next */
	__u64 *in_force; /* TG_IN_FORCE(), mapped */
};

/* Load a set.  Fills in those of `maps` that are -1 and needed; they belong to the caller. */
int tg_program_set_load(const struct tg_spec *spec, uint32_t hooks, struct tg_shared_maps *maps,
			struct tg_program_set *set);
void tg_program_set_free(struct tg_program_set *set);

/* Let a set look whether it judges a call twice, because it is attached to several cgroups. */
void tg_program_set_nest(const struct tg_program_set *set);

#endif
