/* SPDX-License-Identifier: MIT */
/* draw.c - random numbers from a seed. */
#include "draw.h"

uint64_t draw_seed;
static uint64_t state;

void draw_from(uint64_t seed)
{
	draw_seed = state = seed;
}

uint64_t draw(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint32_t below(uint64_t n)
{
	return (uint32_t)(draw() % n);
}
