/* SPDX-License-Identifier: MIT */
/* rival.h - attach a program of rival.bpf.c to a variant, and fill its maps. */
#ifndef BENCH_RIVAL_H
#define BENCH_RIVAL_H

#include <stdint.h>

struct cost;
struct prefix;
struct variant;

/* Attach a program that has one map, or none (NULL). Returns the map, or -1. */
int rival_attach(struct variant *variant, const char *program, const char *map, uint32_t entries);

/* Attach the balancer, with `backends` backends for each VIP; writes what that cost. */
void rival_attach_balancer(struct variant *variant, const struct prefix *vips, uint32_t count,
			   uint16_t port, uint32_t backends, struct cost *cost);

void rival_put_endpoint(int map, uint32_t addr, uint16_t port);
void rival_fill_set(int map, const struct prefix *hosts, uint32_t count);
void rival_fill_trie(int map, int family, const struct prefix *prefixes, uint32_t count);

/* The memory of a map, as the kernel reports it. */
uint64_t map_bytes(int map);

#endif
