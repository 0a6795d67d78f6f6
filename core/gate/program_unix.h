/* SPDX-License-Identifier: MIT */
/* program_unix.h - the programs of unix sockets, which a program set has only if it needs them. */
#ifndef TG_GATE_PROGRAM_UNIX_H
#define TG_GATE_PROGRAM_UNIX_H

#include "gate/program.h"

/*
 * Load them into a set whose other programs are loaded, and add to `maps` what
 * only they use.  Returns -errno without a text: the caller has libbpf's log.
 */
int tg_unix_programs_load(struct tg_program_set *set, struct tg_shared_maps *maps);
void tg_unix_programs_free(struct tg_program_set *set);

/* Like tg_program_set_nest(). */
void tg_unix_programs_nest(const struct tg_program_set *set);

#endif
