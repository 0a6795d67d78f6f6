/* SPDX-License-Identifier: MIT */
/* shared_maps.c - the maps that outlive a program set: a gate's sets share them. */
#include "gate/shared_maps.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "tidegate.h"

struct shared_map {
	size_t place;      /* of its descriptor in struct tg_shared_maps */
	const char *name;  /* in the objects */
	uint32_t features; /* programs with one of these need it; 0: all programs do */
	/* How many entries it has.  NULL: as many as the object says. */
	uint32_t (*entries)(const struct tg_shared_maps *maps, const struct tg_spec *spec);
};

static uint32_t totals_entries(const struct tg_shared_maps *maps, const struct tg_spec *spec)
{
	(void)maps;
	return TG_HOOK_COUNT * spec->copies;
}

static uint32_t events_entries(const struct tg_shared_maps *maps, const struct tg_spec *spec)
{
	(void)spec;
	return maps->ring_bytes;
}

#define MAP(which) offsetof(struct tg_shared_maps, which), "tg_" #which

static const struct shared_map shared_maps[] = {
	{MAP(totals), 0, totals_entries},
	{MAP(events), 0, events_entries},
	{MAP(origins), TG_FEATURE_PEER | TG_FEATURE_SENT, NULL},
	{MAP(locals), TG_FEATURE_LOCAL, NULL},
	{MAP(sents), TG_FEATURE_SENT, NULL},
	{MAP(path_rewrites), TG_FEATURE_PATH_BACK, NULL},
	{MAP(path_notes), TG_FEATURE_PATH_BACK, NULL},
	{MAP(tables), TG_FEATURE_SETS | TG_FEATURE_SERVICES, NULL},
	{MAP(rates), TG_FEATURE_RATES, NULL},
	{MAP(clients), TG_FEATURE_STICKY, NULL},
	{MAP(owners), TG_FEATURE_OWNER, NULL},
};

#define COUNT (sizeof(shared_maps) / sizeof(*shared_maps))

static int *fd_at(struct tg_shared_maps *maps, const struct shared_map *shared)
{
	return (int *)((char *)maps + shared->place);
}

static int fd_of(const struct tg_shared_maps *maps, const struct shared_map *shared)
{
	return *(const int *)((const char *)maps + shared->place);
}

void tg_shared_maps_init(struct tg_shared_maps *maps, uint32_t ring_bytes)
{
	maps->ring_bytes = ring_bytes;
	for (size_t i = 0; i < COUNT; i++)
		*fd_at(maps, &shared_maps[i]) = -1;
}

static int use_map(const struct tg_shared_maps *maps, const struct tg_spec *spec,
		   const struct shared_map *shared, struct bpf_map *map)
{
	bool needed = !shared->features || shared->features & spec->features;
	int error = 0;

	if (fd_of(maps, shared) >= 0)
		return bpf_map__reuse_fd(map, fd_of(maps, shared));
	if (shared->entries)
		error = bpf_map__set_max_entries(map, shared->entries(maps, spec));
	return error ? error : bpf_map__set_autocreate(map, needed);
}

int tg_shared_maps_use(const struct tg_shared_maps *maps, const struct tg_spec *spec,
		       const struct bpf_object *object)
{
	int error = 0;

	for (size_t i = 0; i < COUNT && !error; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, shared_maps[i].name);

		if (map)
			error = use_map(maps, spec, &shared_maps[i], map);
	}
	return error;
}

int tg_shared_maps_keep(struct tg_shared_maps *maps, const struct bpf_object *object)
{
	for (size_t i = 0; i < COUNT; i++) {
		int *fd = fd_at(maps, &shared_maps[i]);
		int made = bpf_map__fd(bpf_object__find_map_by_name(object, shared_maps[i].name));

		if (*fd >= 0 || made < 0)
			continue;
		*fd = fcntl(made, F_DUPFD_CLOEXEC, 3);
		if (*fd < 0)
			return -errno;
	}
	return 0;
}

void tg_shared_maps_close(struct tg_shared_maps *maps, const struct tg_shared_maps *keep)
{
	for (size_t i = 0; i < COUNT; i++) {
		int *fd = fd_at(maps, &shared_maps[i]);

		if (*fd >= 0 && !(keep && *fd == fd_of(keep, &shared_maps[i])))
			close(*fd);
		*fd = -1;
	}
}
