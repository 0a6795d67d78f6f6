/* SPDX-License-Identifier: MIT */
/*
 * program.h - a program set: the BPF programs, loaded for one struct tg_spec.
 *
 * A set enforces any image that its spec covers.  A wider image gets a new
 * set; the maps that outlive a set (events, sockets' state) are handed on.
 */
#ifndef TG_GATE_PROGRAM_H
#define TG_GATE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/layout/program_spec.h"

/* Descriptors of the maps that sets share; -1: not made yet. */
struct tg_shared_maps {
	int totals;
	int origins;
	int locals;
	int sents;
	int events;
	int path_rewrites; /* of unix sockets */
	int tables;        /* of live tables, by number */
	int rates;         /* buckets */
	int clients;       /* of sticky balance */
	uint32_t ring_bytes;
};

/* Close those that are not also in `keep`, which may be NULL. */
void tg_shared_maps_close(struct tg_shared_maps *maps, const struct tg_shared_maps *keep);

struct tg_program_set {
	struct tg_spec spec;
	uint32_t hooks; /* bits: which of the programs are there */
	struct tidegate_bpf *skeleton;
	struct bpf_object *object;      /* of the skeleton */
	struct unix_bpf *unix_skeleton; /* NULL: the image has nothing of unix sockets */
	int program[TG_HOOKS];          /* owned by the skeleton, as the maps' descriptors are */
	int image;
	int hits;
	int slots;
};

#define TG_UNIX_HOOKS                                                                              \
	(1u << TG_HOOK_CONNECT_UNIX | 1u << TG_HOOK_SENDMSG_UNIX | 1u << TG_HOOK_RECVMSG_UNIX |    \
	 1u << TG_HOOK_GETPEERNAME_UNIX | 1u << TG_HOOK_GETSOCKNAME_UNIX)

/*
 * program_unix.c: load the programs of unix sockets into a set that has all
 * others; tg_program_set_free() frees them.  The error's text is the caller's.
 */
int tg_unix_programs_load(struct tg_program_set *set, struct tg_shared_maps *maps);
void tg_unix_programs_free(struct tg_program_set *set);

/* Load.  Fills in those of `maps` that are -1, with descriptors that are the caller's. */
int tg_program_set_load(const struct tg_spec *spec, uint32_t hooks, struct tg_shared_maps *maps,
			struct tg_program_set *set);
void tg_program_set_free(struct tg_program_set *set);

#endif
