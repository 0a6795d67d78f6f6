/* SPDX-License-Identifier: MIT */
/*
 * boot_time.c - the shift of this process's time namespace.
 *
 * Reading it takes ten microseconds, so it is kept.  Whatever changes it (setns(),
 * or a fork after unshare()) also changes how far CLOCK_BOOTTIME is from the time
 * of day, which no namespace shifts.  So does setting the time of day: then it is
 * read in vain.
 */
#include "base/boot_time.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000

/* How far the clocks may drift apart before the shift is read again. */
#define SLACK_NS 1000000

/* A distance of 146 years: nothing has been read yet. */
#define NEVER (INT64_MAX / 2)

#define OWN "/proc/self/ns/time"

static int64_t read_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/*
 * What the kernel offers is the shift of the namespace that children get.  It is
 * ours unless we called unshare(): then ours is the one that we had before.
 */
static bool is_childrens(void)
{
	char own[64], childrens[64];
	ssize_t length = readlink(OWN, own, sizeof(own));

	return length > 0 && length < (ssize_t)sizeof(own) &&
	       readlink(OWN "_for_children", childrens, sizeof(childrens)) == length &&
	       !memcmp(own, childrens, (size_t)length);
}

/* Leave *shift alone if there is nothing to read: without /proc, or without time namespaces. */
static void read_shift(int64_t *shift)
{
	int64_t seconds, ns;
	char line[128];
	FILE *file;

	if (!is_childrens())
		return;
	file = fopen("/proc/self/timens_offsets", "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "boottime %" SCNd64 " %" SCNd64, &seconds, &ns) == 2)
			*shift = seconds * SECOND_NS + ns;
	fclose(file);
}

uint64_t tg_boot_ns(void)
{
	static _Atomic int64_t kept_distance = NEVER, kept_shift;
	int64_t boot = read_ns(CLOCK_BOOTTIME);
	int64_t distance = read_ns(CLOCK_REALTIME) - boot;
	int64_t kept = atomic_load_explicit(&kept_distance, memory_order_acquire);
	int64_t shift = atomic_load_explicit(&kept_shift, memory_order_relaxed);

	if (llabs(distance - kept) > SLACK_NS) {
		read_shift(&shift);
		atomic_store_explicit(&kept_shift, shift, memory_order_relaxed);
		atomic_store_explicit(&kept_distance, distance, memory_order_release);
	}
	return (uint64_t)(boot - shift);
}
