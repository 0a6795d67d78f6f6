/* SPDX-License-Identifier: MIT */
/* measure_hooks.h - measure what each hook adds to its call. */
#ifndef BENCH_MEASURE_HOOKS_H
#define BENCH_MEASURE_HOOKS_H

/* Call this before any gate is attached. */
void measure_hooks(void);

#endif
