/* SPDX-License-Identifier: MIT */
/*
 * draw.h - random numbers from a seed, and assertions that must hold for all of them.
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
			fprintf(stderr, "%s:%d: seed %llu: does not hold: %s: %s\n", __FILE__,     \
				__LINE__, (unsigned long long)draw_seed, #condition, tg_error());  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* The seed that draw_from() was given. */
extern uint64_t draw_seed;

/* Restart the sequence: the same seed gives the same numbers. */
void draw_from(uint64_t seed);

uint64_t draw(void);

/* 0 to n - 1. */
uint32_t below(uint64_t n);

#endif
