/* SPDX-License-Identifier: MIT */
/* bench.h - what every file of the benchmark uses. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Zeroed memory for `count` items; ends the benchmark if there is none. */
void *allocate(size_t count, size_t size);

/* Print a message and end the benchmark. The cgroups are removed on the way out. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the benchmark with tg_error() if a call of the library has failed. */
void check(int err);

/* Announce a step that takes a while, in the style of the Makefile. */
void say(const char *what, const char *label);

/* A file without a name, so that nothing is left of it however the benchmark ends. */
FILE *open_scratch(void);

/* The path of a scratch file, for another process or library; its content is complete now. */
void scratch_path(FILE *scratch, char *path, size_t size);

double now_ns(void);

#endif
