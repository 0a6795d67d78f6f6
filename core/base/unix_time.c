/* SPDX-License-Identifier: MIT */
/* unix_time.c - times of events and counters as times of day. */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/boot_time.h"
#include "tidegate.h"

/* How far the clocks may drift apart before the times that we give follow. */
#define SLACK_NS 100000

/* From 1970 to the zero of CLOCK_BOOTTIME; too much if the thread was interrupted. */
static int64_t read_offset(void)
{
	int64_t boot = (int64_t)tg_boot_ns();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - boot;
}

uint64_t tg_unix_ns(uint64_t boot_ns)
{
	static _Atomic int64_t used;
	int64_t offset = atomic_load_explicit(&used, memory_order_relaxed);

	/* Interruptions make a reading too large, so the least of several is right. */
	if (llabs(read_offset() - offset) > SLACK_NS) {
		int64_t least = INT64_MAX;

		for (int i = 0; i < 5; i++) {
			int64_t read = read_offset();

			least = read < least ? read : least;
		}
		if (llabs(least - offset) > SLACK_NS) {
			atomic_store_explicit(&used, least, memory_order_relaxed);
			offset = least;
		}
	}
	return boot_ns + (uint64_t)offset;
}
