/* SPDX-License-Identifier: MIT */
/* backends.h - policies that balance: fixed lists of backends, and live services. */
#ifndef BENCH_BACKENDS_H
#define BENCH_BACKENDS_H

#include <stdbool.h>
#include <stdint.h>

struct cost;
struct prefix;
struct variant;

/* Backend `i` of the service `number`, if each service has `backends` of them. Host order. */
#define BACKEND_ADDR(number, backends, i) (0x0b000000u + (number) * (backends) + (i))
#define BACKEND_PORT                      8080
#define VIP_PORT                          443

/* A fixed list of backends for one endpoint. Weighted: the last one has three times the weight. */
void gate_with_backends(struct variant *variant, const char *endpoint, uint32_t backends,
			bool weighted, bool reveal);

/* A live service of UDP for each VIP. They are put one by one. */
void gate_with_services(struct variant *variant, const struct prefix *vips, uint32_t count,
			uint32_t backends, struct cost *cost);

#endif
