/* SPDX-License-Identifier: MIT */
/* measure_calls.h - measure the calls of all variants, and the runs of their programs. */
#ifndef BENCH_MEASURE_CALLS_H
#define BENCH_MEASURE_CALLS_H

#include <linux/bpf.h>
#include <stdint.h>

#include "bench/stream.h"

struct group;
struct variant;

/* Make one call. Returns 0 or an errno. */
int call_once(const struct variant *variant, int socket, const union address *address);

/* All zeros if the variant has no program. */
struct bpf_prog_info program_info(const struct variant *variant);

/* Have the kernel count and time the runs of programs, until the descriptor is closed. */
int count_runs(void);

/* Measure for some seconds. measure_calls() returns the number of rounds. */
uint32_t measure_calls(struct group *groups, uint32_t count, double seconds);
void measure_runs(struct group *groups, uint32_t count, double seconds);

#endif
