/* SPDX-License-Identifier: MIT */
/* samples.h - the values of one figure. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stdint.h>

struct samples {
	double *values;
	uint32_t count, room;
};

void samples_add(struct samples *samples, double value);

/* A quantile of the values, or of their differences from those of `against`, one by one. */
double samples_quantile(const struct samples *samples, const struct samples *against, double q);

#endif
