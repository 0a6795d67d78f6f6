/* SPDX-License-Identifier: MIT */
/* samples.c - the values of one figure, and their quantiles. */
#include "bench/samples.h"

#include <stdlib.h>

#include "bench/bench.h"

void samples_add(struct samples *samples, double value)
{
	if (samples->count == samples->room) {
		samples->room = samples->room ? 2 * samples->room : 256;
		samples->values = realloc(samples->values, samples->room * sizeof(double));
		if (!samples->values)
			die("out of memory");
	}
	samples->values[samples->count++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_quantile(const struct samples *samples, const struct samples *against, double q)
{
	uint32_t count = samples->count;
	double *values = allocate(count + 1, sizeof(*values));
	double found;

	for (uint32_t i = 0; i < count; i++)
		values[i] = samples->values[i] - (against ? against->values[i] : 0);
	qsort(values, count, sizeof(*values), by_value);
	found = values[count ? (uint32_t)(q * (count - 1) + 0.5) : 0];
	free(values);
	return found;
}
