/* SPDX-License-Identifier: MIT */
/*
 * draw.h - random numbers from a seed, and what must be so whatever they are.
 */
#ifndef TG_SPEC_DRAW_H
#define TG_SPEC_DRAW_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tidegate.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: seed %llu: not so: %s: %s\n", __FILE__, __LINE__,  \
				(unsigned long long)draw_seed, #condition, tg_error());            \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* What draw_from() was given. */
extern uint64_t draw_seed;

/* What is drawn from here on is the same for the same seed. */
void draw_from(uint64_t seed);

uint64_t draw(void);

/* 0 to n - 1. */
uint32_t below(uint64_t n);

#endif
