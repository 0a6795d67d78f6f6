/* SPDX-License-Identifier: MIT */
/*
 * program_unix.c - loading the programs of unix sockets.
 *
 * They are an object of their own, so that what they need of the kernel is
 * asked of it only where a policy has rules for them.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>

#include "base/hook.h"
#include "gate/program.h"
#include "unix.skel.h"

/* The maps that both objects have are the same ones. */
static int share_maps(const struct unix_bpf *skeleton, const struct tg_program_set *set)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, skeleton->obj)
	{
		const struct bpf_map *same =
			bpf_object__find_map_by_name(set->object, bpf_map__name(map));
		int error = 0;

		if (!same || bpf_map__is_internal(map))
			continue;
		if (bpf_map__fd(same) < 0)
			error = bpf_map__set_autocreate(map, false);
		else
			error = bpf_map__reuse_fd(map, bpf_map__fd(same));
		if (error)
			return error;
	}
	return 0;
}

static int configure(const struct unix_bpf *skeleton, const struct tg_program_set *set,
		     const struct tg_shared_maps *maps)
{
	struct tg_spec *place = (struct tg_spec *)&skeleton->rodata->tg_spec;
	struct bpf_program *program;
	int error;

	*place = set->spec;
	bpf_object__for_each_program(program, skeleton->obj)
	{
		bpf_program__set_autoload(program, false);
	}
	for (int hook = 0; hook < TG_HOOKS; hook++) {
		program = bpf_object__find_program_by_name(skeleton->obj, tg_hook_kinds[hook].name);
		if (!program)
			continue;
		bpf_program__set_type(program, BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
		bpf_program__set_expected_attach_type(program, tg_hook_kinds[hook].attach_type);
		bpf_program__set_autoload(program, set->hooks >> hook & 1);
	}
	error = share_maps(skeleton, set);
	if (!error && maps->path_rewrites >= 0)
		error = bpf_map__reuse_fd(skeleton->maps.tg_path_rewrites, maps->path_rewrites);
	else if (!error && !(set->spec.features & TG_FEATURE_PATH_BACK))
		error = bpf_map__set_max_entries(skeleton->maps.tg_path_rewrites, 1);
	return error;
}

int tg_unix_programs_load(struct tg_program_set *set, struct tg_shared_maps *maps)
{
	struct unix_bpf *skeleton = unix_bpf__open();
	int error = skeleton ? configure(skeleton, set, maps) : -errno;

	if (!error)
		error = unix_bpf__load(skeleton);
	if (error) {
		unix_bpf__destroy(skeleton);
		return error;
	}
	set->unix_skeleton = skeleton;
	for (int hook = 0; hook < TG_HOOKS; hook++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(skeleton->obj, tg_hook_kinds[hook].name);

		if (program && set->hooks >> hook & 1)
			set->program[hook] = bpf_program__fd(program);
	}
	/* Kept from when it is as large as it gets. */
	if (maps->path_rewrites < 0 && set->spec.features & TG_FEATURE_PATH_BACK)
		maps->path_rewrites =
			fcntl(bpf_map__fd(skeleton->maps.tg_path_rewrites), F_DUPFD_CLOEXEC, 3);
	return 0;
}

void tg_unix_programs_free(struct tg_program_set *set)
{
	unix_bpf__destroy(set->unix_skeleton);
	set->unix_skeleton = NULL;
}
