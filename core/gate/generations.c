/* SPDX-License-Identifier: MIT */
/* generations.c - which of the last images programs may still be reading. */
#include "gate/generations.h"

#include "base/boot_time.h"

/*
 * A program runs for microseconds.  One that has not ended after so long hangs together with
 * its processor, which the kernel reports much earlier (as an RCU stall).
 */
#define LONGEST_CALL_NS (60 * 1000000000ull)

void tg_generation_replaced(struct tg_generations *generations, uint64_t generation)
{
	generations->replaced_ns[generation % TG_MAX_IMAGES] = tg_boot_ns();
}

uint64_t tg_generations_ended(struct tg_generations *generations, uint64_t in_force)
{
	uint64_t now = tg_boot_ns(), next = generations->ended + 1;

	while (next < in_force &&
	       now - generations->replaced_ns[next % TG_MAX_IMAGES] > LONGEST_CALL_NS)
		next++;
	generations->ended = next - 1;
	return generations->ended;
}

int tg_generations_wait(struct tg_generations *generations, uint64_t last)
{
	int error = 0;

	if (generations->ended < last)
		error = tg_grace_wait(&generations->grace);
	if (!error && generations->ended < last)
		generations->ended = last;
	return error;
}
