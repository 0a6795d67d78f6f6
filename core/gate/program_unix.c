/* SPDX-License-Identifier: MIT */
/*
 * program_unix.c - loading the programs of unix sockets.
 *
 * They are an object of their own, so that only policies with rules for unix
 * sockets need a kernel that can load it.
 */
#include "gate/program_unix.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "base/hook.h"
#include "unix.skel.h"

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
	for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
		program = bpf_object__find_program_by_name(skeleton->obj, tg_hook_kinds[hook].name);
		if (!program)
			continue;
		bpf_program__set_type(program, BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
		bpf_program__set_expected_attach_type(program, tg_hook_kinds[hook].attach_type);
		bpf_program__set_autoload(program, set->hooks >> hook & 1);
	}
	error = bpf_map__reuse_fd(skeleton->maps.tg_images, set->images);
	if (!error)
		error = bpf_map__reuse_fd(skeleton->maps.data_gate, set->word);
	if (!error)
		error = bpf_map__reuse_fd(skeleton->maps.tg_hits, set->hits);
	if (!error)
		error = bpf_map__reuse_fd(skeleton->maps.tg_slots, set->slots);
	return error ? error : tg_shared_maps_use(maps, &set->spec, skeleton->obj);
}

int tg_unix_programs_load(struct tg_program_set *set, struct tg_shared_maps *maps)
{
	struct unix_bpf *skeleton = unix_bpf__open();
	int error = skeleton ? configure(skeleton, set, maps) : -errno;

	if (!error)
		error = unix_bpf__load(skeleton);
	if (!error)
		error = tg_shared_maps_keep(maps, skeleton->obj);
	if (error) {
		unix_bpf__destroy(skeleton);
		return error;
	}
	set->unix_skeleton = skeleton;
	for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(skeleton->obj, tg_hook_kinds[hook].name);

		if (program && set->hooks >> hook & 1)
			set->program[hook] = bpf_program__fd(program);
	}
	return 0;
}

void tg_unix_programs_free(struct tg_program_set *set)
{
	unix_bpf__destroy(set->unix_skeleton);
	set->unix_skeleton = NULL;
}

void tg_unix_programs_nest(const struct tg_program_set *set)
{
	if (set->unix_skeleton)
		set->unix_skeleton->bss->tg_nests = 1;
}
