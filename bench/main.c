/* SPDX-License-Identifier: MIT */
/*
 * main.c - sets up every variant, measures them all, and writes what it found
 * as JSON, one object a line, for bench/run to show.
 *
 *   measure SECONDS SEED
 *
 * All of it happens in a network namespace of its own, in which every address
 * is local: a UDP connect(2) sends nothing, and here nothing could leave.  What
 * is sent is sent in others, see nft.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

void die(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "bench: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void say(const char *what, const char *label)
{
	fprintf(stderr, "  %-8s %s\n", what, label);
}

static void shell(const char *command)
{
	if (system(command))
		die("this failed: %s", command);
}

static void enter_namespace(void)
{
	if (unshare(CLONE_NEWNET))
		die("cannot make a network namespace: %s", strerror(errno));
	shell("ip link set lo up");
	shell("ip route add local 0.0.0.0/0 dev lo");
	shell("ip -6 route add local ::/0 dev lo");
}

/* The last processor: the first one more often serves interrupts. */
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

/* --- Results -------------------------------------------------------------------- */

void report_cost(const struct group *group, const struct cost *cost)
{
	printf("{\"cost\":\"%s\",\"label\":\"%s\",\"load_ms\":%.2f,\"compile_ms\":%.2f,"
	       "\"publish_ms\":%.2f,\"image_bytes\":%llu,\"kernel_bytes\":%llu",
	       group->id, group->label, cost->load_ms, cost->compile_ms, cost->publish_ms,
	       (unsigned long long)cost->image_bytes, (unsigned long long)cost->kernel_bytes);
	if (cost->rival_ms)
		printf(",\"rival_ms\":%.2f", cost->rival_ms);
	if (cost->rival_bytes)
		printf(",\"rival_bytes\":%llu", (unsigned long long)cost->rival_bytes);
	printf("}\n");
}

static void report_quantiles(const char *key, const struct samples *samples,
			     const struct samples *against)
{
	printf(",\"%s\":%.2f,\"%s_low\":%.2f,\"%s_high\":%.2f", key,
	       samples_quantile(samples, against, 0.5), key,
	       samples_quantile(samples, against, 0.25), key,
	       samples_quantile(samples, against, 0.75));
}

static void report_variant(const struct group *group, const struct variant *variant)
{
	printf("{\"group\":\"%s\",\"group_label\":\"%s\",\"variant\":\"%s\",\"label\":\"%s\"",
	       group->id, group->label, variant->id, variant->label);
	report_quantiles("call", &variant->call, NULL);
	if (variant->program >= 0)
		report_quantiles("run", &variant->run, NULL);
	if (variant->against) {
		report_quantiles("net", &variant->call, &variant->against->call);
		if (variant->program >= 0 && variant->against->program >= 0)
			report_quantiles("run_net", &variant->run, &variant->against->run);
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	static struct group groups[MOST_GROUPS];
	double seconds = argc == 3 ? atof(argv[1]) : 0;
	uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 0) : 0;
	uint32_t count, rounds;

	if (seconds <= 0)
		die("measure SECONDS SEED, as bench/run calls it");
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
		for (uint32_t i = 0; i < groups[g].count; i++)
			report_variant(&groups[g], &groups[g].variants[i]);
	printf("{\"rounds\":%u}\n", rounds);
	return 0;
}
