/* SPDX-License-Identifier: MIT */
/* shared_maps.h - the maps that outlive a program set: a gate's sets share them. */
#ifndef TG_GATE_SHARED_MAPS_H
#define TG_GATE_SHARED_MAPS_H

#include <stdint.h>

#include "bpf/layout/program_spec.h"

struct bpf_object;

/* Descriptors; -1: not made yet.  Each has a row in the table of shared_maps.c. */
struct tg_shared_maps {
	int totals;
	int origins;
	int locals;
	int sents;
	int events;
	int path_rewrites; /* of unix sockets */
	int path_notes;    /* of unix sockets, for other gates */
	int tables;        /* live tables, by number */
	int rates;         /* buckets */
	int clients;       /* of sticky balance */
	int owners;        /* of MPTCP sockets */
	uint32_t ring_bytes;
};

void tg_shared_maps_init(struct tg_shared_maps *maps, uint32_t ring_bytes);

/*
 * Before an object is loaded: give it the maps that exist.  Of the others it
 * creates those that programs of `spec` need.
 */
int tg_shared_maps_use(const struct tg_shared_maps *maps, const struct tg_spec *spec,
		       const struct bpf_object *object);

/*
 * After it is loaded: add duplicates of the descriptors of the maps that it
 * created.  On failure some may have been added.
 */
int tg_shared_maps_keep(struct tg_shared_maps *maps, const struct bpf_object *object);

/* Close those that are not also in `keep`, which may be NULL. */
void tg_shared_maps_close(struct tg_shared_maps *maps, const struct tg_shared_maps *keep);

#endif
