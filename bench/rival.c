/* SPDX-License-Identifier: MIT */
/* rival.c - loading one of rivals.bpf.c into a variant's cgroup, and filling its map. */
#include "rivals.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "rivals.skel.h"

/* Only this program and this map (NULL: none) are of use here. */
static void choose(struct rivals_bpf *rivals, const char *program, const char *map,
		   uint32_t entries)
{
	struct bpf_program *other_program;
	struct bpf_map *other_map;

	bpf_object__for_each_program(other_program, rivals->obj) bpf_program__set_autoload(
		other_program, !strcmp(bpf_program__name(other_program), program));
	bpf_object__for_each_map(other_map, rivals->obj)
	{
		bool wanted = map && !strcmp(bpf_map__name(other_map), map);

		bpf_map__set_autocreate(other_map, wanted);
		if (wanted)
			bpf_map__set_max_entries(other_map, entries);
	}
}

/* Gives the map's descriptor.  What is opened here stays until the process ends. */
int rival_attach(struct variant *variant, const char *program, const char *map, uint32_t entries)
{
	struct rivals_bpf *rivals = rivals_bpf__open();
	const struct bpf_program *chosen;

	if (!rivals)
		die("rivals.bpf.c: %s", strerror(errno));
	choose(rivals, program, map, entries);
	if (rivals_bpf__load(rivals))
		die("%s: cannot load it: %s", program, strerror(errno));
	chosen = bpf_object__find_program_by_name(rivals->obj, program);
	variant->program = bpf_program__fd(chosen);
	variant->link = bpf_link_create(variant->program, variant->cgroup_fd,
					bpf_program__expected_attach_type(chosen), NULL);
	if (variant->link < 0)
		die("%s: cannot attach it: %s", program, strerror(-variant->link));
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

		/* A key for IPv4 is the start of one for IPv6. */
		memcpy(key.addr_be, prefixes[i].addr, family == AF_INET ? 4 : 16);
		put(map, &key);
	}
}

/* What the kernel says that a map takes. */
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
