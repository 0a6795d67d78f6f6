/* SPDX-License-Identifier: MIT */
/* measure_hooks.h - measure what each hook adds to its call. */
#ifndef BENCH_MEASURE_HOOKS_H
#define BENCH_MEASURE_HOOKS_H

/* Must be called before there is a gate. */
void measure_hooks(void);

#endif
