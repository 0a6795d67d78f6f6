/* SPDX-License-Identifier: MIT */
/*
 * main.c - set up all variants, measure them, and print the results as JSON, one object a line, for
 * bench/run.
 *
 *   measure SECONDS SEED
 *
 * This happens in a network namespace in which every address is local: connect(2) of a UDP socket
 * sends nothing, and nothing could leave. Datagrams are sent in other namespaces, see nftables.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/cgroup.h"
#include "bench/check.h"
#include "bench/group.h"
#include "bench/groups.h"
#include "bench/measure_calls.h"
#include "bench/measure_hooks.h"
#include "bench/random.h"
#include "bench/report.h"

static void shell(const char *command)
{
	if (system(command))
		die("this command failed: %s", command);
}

static void enter_namespace(void)
{
	if (unshare(CLONE_NEWNET))
		die("cannot make a network namespace: %s", strerror(errno));
	shell("ip link set lo up");
	shell("ip route add local 0.0.0.0/0 dev lo");
	shell("ip -6 route add local ::/0 dev lo");
}

/* Stay on the last processor: the first one serves more interrupts. */
static void pin(void)
{
	cpu_set_t may, one;
	int last = 0;

	if (sched_getaffinity(0, sizeof(may), &may))
		die("sched_getaffinity: %s", strerror(errno));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may))
			last = cpu;
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct group groups[MOST_GROUPS];
	double seconds = argc == 3 ? atof(argv[1]) : 0;
	uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 0) : 0;
	uint32_t count, rounds;

	if (seconds <= 0)
		die("usage: measure SECONDS SEED; bench/run calls it");
	random_seed(seed);
	enter_namespace();
	cgroups_open();
	pin();
	measure_hooks();
	count = make_groups(groups);
	say("CHECK", "that a call runs the program of its socket's cgroup, and no other");
	check_programs(groups, count);
	say("MEASURE", "calls");
	rounds = measure_calls(groups, count, seconds * 0.65);
	say("MEASURE", "runs of the programs");
	measure_runs(groups, count, seconds * 0.35);
	check_errors(groups, count);
	for (uint32_t g = 0; g < count; g++)
		report_group(&groups[g]);
	printf("{\"rounds\":%u}\n", rounds);
	return 0;
}
