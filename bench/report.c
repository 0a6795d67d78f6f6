/* SPDX-License-Identifier: MIT */
/* report.c - the results, printed as JSON, one object a line. */
#include "bench/report.h"

#include <stdio.h>

#include "bench/group.h"
#include "bench/samples.h"

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

void report_group(const struct group *group)
{
	for (uint32_t i = 0; i < group->count; i++)
		report_variant(group, &group->variants[i]);
}
