/* SPDX-License-Identifier: MIT */
/* program.c - loading the BPF programs for what an image needs. */
#define _GNU_SOURCE /* vasprintf() */
#include "gate/program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/capability.h"
#include "base/error.h"
#include "base/hook.h"
#include "tidegate.skel.h"
#include "tidegate.h"

/* --- Loading ------------------------------------------------------------------- */

/*
 * The end of what libbpf has to say while this thread loads, which becomes part of the error: of a
 * verifier's log the end is what has the reason.
 */
static _Thread_local char complaint[8192];
static _Thread_local size_t complaint_length;

static int hear(enum libbpf_print_level level, const char *format, va_list arguments)
{
	const size_t room = sizeof(complaint) - 1;
	size_t length, keep;
	char *message;
	int whole;

	if (level != LIBBPF_WARN)
		return 0;
	whole = vasprintf(&message, format, arguments);
	if (whole < 0)
		return 0;
	length = (size_t)whole < room ? (size_t)whole : room;
	keep = complaint_length < room - length ? complaint_length : room - length;
	memmove(complaint, complaint + complaint_length - keep, keep);
	memcpy(complaint + keep, message + whole - length, length + 1);
	complaint_length = keep + length;
	free(message);
	return 0;
}

#define BTF "/sys/kernel/btf/vmlinux"

static int load_failed(int error)
{
	if (error == -EPERM || !tg_capabilities_suffice())
		return tg_fail(-EPERM, "cannot load programs: needs " TG_CAPABILITIES
				       "; run `tidegate doctor`");
	if (access(BTF, R_OK))
		return tg_fail(
			-EOPNOTSUPP,
			"cannot load programs: this kernel has no BTF (%s: %s): use one that is "
			"built with CONFIG_DEBUG_INFO_BTF=y",
			BTF, strerror(errno));
	while (complaint_length && complaint[complaint_length - 1] == '\n')
		complaint[--complaint_length] = 0;
	return tg_fail(error, "cannot load programs: %s\n%s", strerror(-error), complaint);
}

/* A map's inner maps are described to the kernel by one of their kind. */
static int describe_inner(struct bpf_map *map, __u32 flags, __u32 value_bytes, int *pattern)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);

	*pattern = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_pattern", sizeof(__u32), value_bytes, 1,
				  &options);
	return *pattern < 0 ? *pattern : bpf_map__set_inner_map_fd(map, *pattern);
}

/* Use the map that is there; make it if it is needed, and only then. */
static int share_map(struct bpf_map *map, int fd, bool needed)
{
	if (fd >= 0)
		return bpf_map__reuse_fd(map, fd);
	return bpf_map__set_autocreate(map, needed);
}

static int configure(struct tidegate_bpf *skeleton, const struct tg_spec *spec, uint32_t hooks,
		     const struct tg_shared_maps *maps)
{
	struct tg_spec *place = (struct tg_spec *)&skeleton->rodata->tg_spec;
	int error;

	*place = *spec;
	for (int hook = 0; hook < TG_HOOKS; hook++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(skeleton->obj, tg_hook_kinds[hook].name);

		if (program)
			bpf_program__set_autoload(program, hooks >> hook & 1);
	}
	error = bpf_map__set_max_entries(skeleton->maps.tg_hits, spec->slots * spec->copies);
	if (!error)
		error = bpf_map__set_max_entries(skeleton->maps.tg_totals, TG_HOOKS * spec->copies);
	if (!error)
		error = bpf_map__set_max_entries(skeleton->maps.tg_slots, spec->slots);
	if (!error)
		error = bpf_map__set_max_entries(skeleton->maps.tg_events, maps->ring_bytes);
	if (!error)
		error = share_map(skeleton->maps.tg_totals, maps->totals, true);
	if (!error)
		error = share_map(skeleton->maps.tg_origins, maps->origins,
				  spec->features & (TG_FEATURE_PEER | TG_FEATURE_SENT));
	if (!error)
		error = share_map(skeleton->maps.tg_locals, maps->locals,
				  spec->features & TG_FEATURE_LOCAL);
	if (!error)
		error = share_map(skeleton->maps.tg_sents, maps->sents,
				  spec->features & TG_FEATURE_SENT);
	if (!error)
		error = share_map(skeleton->maps.tg_events, maps->events, true);
	if (!error)
		error = share_map(skeleton->maps.tg_tables, maps->tables,
				  spec->features & (TG_FEATURE_SETS | TG_FEATURE_BALANCE));
	if (!error)
		error = share_map(skeleton->maps.tg_rates, maps->rates,
				  spec->features & TG_FEATURE_RATES);
	if (!error)
		error = share_map(skeleton->maps.tg_clients, maps->clients,
				  spec->features & TG_FEATURE_STICKY);
	return error;
}

static void keep_shared(int *fd, const struct bpf_map *map)
{
	if (*fd < 0 && bpf_map__fd(map) >= 0)
		*fd = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3);
}

static void close_shared(int *fd, int keep)
{
	if (*fd >= 0 && *fd != keep)
		close(*fd);
	*fd = -1;
}

void tg_shared_maps_close(struct tg_shared_maps *maps, const struct tg_shared_maps *keep)
{
	static const struct tg_shared_maps none = {-1, -1, -1, -1, -1, -1, -1, -1, -1, 0};

	if (!keep)
		keep = &none;
	close_shared(&maps->totals, keep->totals);
	close_shared(&maps->origins, keep->origins);
	close_shared(&maps->locals, keep->locals);
	close_shared(&maps->sents, keep->sents);
	close_shared(&maps->events, keep->events);
	close_shared(&maps->path_rewrites, keep->path_rewrites);
	close_shared(&maps->tables, keep->tables);
	close_shared(&maps->rates, keep->rates);
	close_shared(&maps->clients, keep->clients);
}

static void fill_set(struct tg_program_set *set, struct tidegate_bpf *skeleton,
		     const struct tg_spec *spec, uint32_t hooks)
{
	*set = (struct tg_program_set){
		.spec = *spec,
		.hooks = hooks,
		.skeleton = skeleton,
		.object = skeleton->obj,
		.image = bpf_map__fd(skeleton->maps.tg_image),
		.hits = bpf_map__fd(skeleton->maps.tg_hits),
		.slots = bpf_map__fd(skeleton->maps.tg_slots),
	};
	for (int hook = 0; hook < TG_HOOKS; hook++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(skeleton->obj, tg_hook_kinds[hook].name);

		set->program[hook] = program && hooks >> hook & 1 ? bpf_program__fd(program) : -1;
	}
}

int tg_program_set_load(const struct tg_spec *spec, uint32_t hooks, struct tg_shared_maps *maps,
			struct tg_program_set *set)
{
	libbpf_print_fn_t before = libbpf_set_print(hear);
	struct tg_program_set fresh;
	struct tidegate_bpf *skeleton;
	int image = -1, table = -1;
	int error;

	complaint_length = 0;
	complaint[0] = 0;
	skeleton = tidegate_bpf__open();
	error = skeleton ? configure(skeleton, spec, hooks, maps) : -errno;
	if (!error)
		error = describe_inner(skeleton->maps.tg_image, TG_IMAGE_MAP_FLAGS,
				       spec->rows * TG_ROW_BYTES, &image);
	if (!error)
		error = describe_inner(skeleton->maps.tg_tables, TG_TABLE_MAP_FLAGS, TG_ROW_BYTES,
				       &table);
	if (!error)
		error = tidegate_bpf__load(skeleton);
	if (error) {
		error = load_failed(error);
		tidegate_bpf__destroy(skeleton);
		goto out;
	}
	fill_set(&fresh, skeleton, spec, hooks);
	if (hooks & TG_UNIX_HOOKS)
		error = tg_unix_programs_load(&fresh, maps);
	if (error) {
		error = load_failed(error);
		tg_program_set_free(&fresh);
		goto out;
	}
	keep_shared(&maps->totals, skeleton->maps.tg_totals);
	keep_shared(&maps->origins, skeleton->maps.tg_origins);
	keep_shared(&maps->locals, skeleton->maps.tg_locals);
	keep_shared(&maps->sents, skeleton->maps.tg_sents);
	keep_shared(&maps->events, skeleton->maps.tg_events);
	keep_shared(&maps->tables, skeleton->maps.tg_tables);
	keep_shared(&maps->rates, skeleton->maps.tg_rates);
	keep_shared(&maps->clients, skeleton->maps.tg_clients);
	*set = fresh;
out:
	if (image >= 0)
		close(image);
	if (table >= 0)
		close(table);
	libbpf_set_print(before);
	return error;
}

void tg_program_set_free(struct tg_program_set *set)
{
	tg_unix_programs_free(set);
	tidegate_bpf__destroy(set->skeleton);
	set->skeleton = NULL;
}
