/* SPDX-License-Identifier: MIT */
/* rival.c - attach a program of rival.bpf.c to a variant, and fill its maps. */
#include "bench/rival.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/backends.h"
#include "bench/bench.h"
#include "bench/group.h"
#include "bench/prefix.h"
#include "bench/report.h"
#include "bench/rival_layout.h"
#include "rival.skel.h"

struct rival_map {
	const char *name;
	uint32_t entries;
};

static const struct rival_map *find_map(const struct rival_map *maps, uint32_t count,
					const char *name)
{
	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(maps[i].name, name))
			return &maps[i];
	return NULL;
}

/* Load only this program and make only these maps. */
static void choose(struct rival_bpf *rivals, const char *program, const struct rival_map *maps,
		   uint32_t count)
{
	struct bpf_program *other_program;
	struct bpf_map *other_map;

	bpf_object__for_each_program(other_program, rivals->obj) bpf_program__set_autoload(
		other_program, !strcmp(bpf_program__name(other_program), program));
	bpf_object__for_each_map(other_map, rivals->obj)
	{
		const struct rival_map *map = find_map(maps, count, bpf_map__name(other_map));

		bpf_map__set_autocreate(other_map, map);
		if (map)
			bpf_map__set_max_entries(other_map, map->entries);
	}
}

/* The program and its maps stay until the process ends. */
static struct rival_bpf *attach(struct variant *variant, const char *program,
				const struct rival_map *maps, uint32_t count)
{
	struct rival_bpf *rivals = rival_bpf__open();
	const struct bpf_program *chosen;

	if (!rivals)
		die("rival.bpf.c: %s", strerror(errno));
	choose(rivals, program, maps, count);
	if (rival_bpf__load(rivals))
		die("%s: cannot load the program: %s", program, strerror(errno));
	chosen = bpf_object__find_program_by_name(rivals->obj, program);
	variant->program = bpf_program__fd(chosen);
	variant->link = bpf_link_create(variant->program, variant->cgroup_fd,
					bpf_program__expected_attach_type(chosen), NULL);
	if (variant->link < 0)
		die("%s: cannot attach the program: %s", program, strerror(-variant->link));
	return rivals;
}

int rival_attach(struct variant *variant, const char *program, const char *map, uint32_t entries)
{
	struct rival_map only = {map, entries};
	struct rival_bpf *rivals = attach(variant, program, &only, map ? 1 : 0);

	return map ? bpf_object__find_map_fd_by_name(rivals->obj, map) : -1;
}

static void put(int map, const void *key)
{
	uint32_t verdict = 1;

	if (bpf_map_update_elem(map, key, &verdict, BPF_ANY))
		die("cannot fill a map: %s", strerror(errno));
}

void rival_put_endpoint(int map, uint32_t addr, uint16_t port)
{
	struct rival_endpoint key = {
		.addr_be = htonl(addr),
		.port_be = htons(port),
		.proto = IPPROTO_UDP,
	};

	put(map, &key);
}

void rival_fill_set(int map, const struct prefix *hosts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		put(map, hosts[i].addr);
}

void rival_fill_trie(int map, int family, const struct prefix *prefixes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct rival_prefix6 key = {.length = prefixes[i].length};

		/* A key for IPv4 is the beginning of a key for IPv6. */
		memcpy(key.addr_be, prefixes[i].addr, family == AF_INET ? 4 : 16);
		put(map, &key);
	}
}

static void put_many(int map, const void *keys, const void *values, uint32_t count)
{
	if (bpf_map_update_batch(map, keys, values, &count, NULL))
		die("cannot fill a map: %s", strerror(errno));
}

static void fill_services(int map, const struct prefix *vips, uint32_t count, uint16_t port,
			  uint32_t backends)
{
	struct rival_endpoint *keys = allocate(count, sizeof(*keys));
	struct rival_service *values = allocate(count, sizeof(*values));

	for (uint32_t i = 0; i < count; i++) {
		keys[i] = (struct rival_endpoint){htonl(prefix_addr4(&vips[i])), htons(port),
						  IPPROTO_UDP};
		values[i] = (struct rival_service){backends, i * backends};
	}
	put_many(map, keys, values, count);
	free(keys);
	free(values);
}

static void fill_backends(int map, uint32_t count, uint32_t backends)
{
	uint32_t *keys = allocate((size_t)count * backends, sizeof(*keys));
	struct rival_endpoint *values = allocate((size_t)count * backends, sizeof(*values));

	for (uint32_t i = 0; i < count * backends; i++) {
		keys[i] = i;
		values[i] = (struct rival_endpoint){
			.addr_be = htonl(BACKEND_ADDR(i / backends, backends, i % backends)),
			.port_be = htons(BACKEND_PORT),
		};
	}
	put_many(map, keys, values, count * backends);
	free(keys);
	free(values);
}

void rival_attach_balancer(struct variant *variant, const struct prefix *vips, uint32_t count,
			   uint16_t port, uint32_t backends, struct cost *cost)
{
	const struct rival_map maps[] = {{"services", count}, {"backends", count * backends}};
	struct rival_bpf *rivals = attach(variant, "balance4", maps, COUNT_OF(maps));
	int service_map = bpf_map__fd(rivals->maps.services);
	int backend_map = bpf_map__fd(rivals->maps.backends);
	double start = now_ns();

	fill_services(service_map, vips, count, port, backends);
	fill_backends(backend_map, count, backends);
	cost->rival_ms = (now_ns() - start) / 1e6;
	cost->rival_bytes = map_bytes(service_map) + map_bytes(backend_map);
}

uint64_t map_bytes(int map)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "memlock: %llu", &bytes);
	if (file)
		fclose(file);
	return bytes;
}
