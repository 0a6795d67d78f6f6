/* SPDX-License-Identifier: MIT */
/* program.c - loading the BPF programs for what an image needs. */
#include "gate/program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hook.h"
#include "base/libbpf_log.h"
#include "gate/program_unix.h"
#include "system/capability.h"
#include "tidegate.h"
#include "tidegate.skel.h"

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
	return tg_fail_lines(error, "cannot load programs: %s\n%s", strerror(-error),
			     tg_libbpf_log_text());
}

/* The kernel learns what the live tables look like from a sample. */
static int describe_tables(struct bpf_map *tables, int *sample)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = TG_TABLE_MAP_FLAGS);

	*sample = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_sample", sizeof(__u32), TG_ROW_BYTES, 1,
				 &options);
	return *sample < 0 ? *sample : bpf_map__set_inner_map_fd(tables, *sample);
}

static int configure(struct tidegate_bpf *skeleton, const struct tg_spec *spec, uint32_t hooks,
		     const struct tg_shared_maps *maps)
{
	struct tg_spec *place = (struct tg_spec *)&skeleton->rodata->tg_spec;
	int error;

	*place = *spec;
	for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(skeleton->obj, tg_hook_kinds[hook].name);

		if (program)
			bpf_program__set_autoload(program, hooks >> hook & 1);
	}
	error = bpf_map__set_max_entries(skeleton->maps.tg_hits, spec->slots * spec->copies);
	if (!error)
		error = bpf_map__set_max_entries(skeleton->maps.tg_slots, spec->slots);
	if (!error)
		error = bpf_map__set_max_entries(skeleton->maps.tg_images, spec->images);
	if (!error)
		error = bpf_map__set_value_size(skeleton->maps.tg_images,
						spec->rows * TG_ROW_BYTES);
	return error ? error : tg_shared_maps_use(maps, spec, skeleton->obj);
}

static void fill_set(struct tg_program_set *set, struct tidegate_bpf *skeleton,
		     const struct tg_spec *spec, uint32_t hooks)
{
	*set = (struct tg_program_set){
		.spec = *spec,
		.hooks = hooks,
		.skeleton = skeleton,
		.images = bpf_map__fd(skeleton->maps.tg_images),
		.hits = bpf_map__fd(skeleton->maps.tg_hits),
		.slots = bpf_map__fd(skeleton->maps.tg_slots),
		.word = bpf_map__fd(skeleton->maps.data_gate),
		.in_force = &skeleton->data_gate->tg_in_force,
	};
	for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(skeleton->obj, tg_hook_kinds[hook].name);

		set->program[hook] = program && hooks >> hook & 1 ? bpf_program__fd(program) : -1;
	}
}

int tg_program_set_load(const struct tg_spec *spec, uint32_t hooks, struct tg_shared_maps *maps,
			struct tg_program_set *set)
{
	struct tg_shared_maps shared = *maps;
	struct tg_program_set fresh;
	struct tidegate_bpf *skeleton;
	int table = -1;
	int error;

	tg_libbpf_log_begin();
	skeleton = tidegate_bpf__open();
	error = skeleton ? configure(skeleton, spec, hooks, maps) : -errno;
	if (!error)
		error = describe_tables(skeleton->maps.tg_tables, &table);
	if (!error)
		error = tidegate_bpf__load(skeleton);
	if (error) {
		error = load_failed(error);
		tidegate_bpf__destroy(skeleton);
		goto out;
	}
	fill_set(&fresh, skeleton, spec, hooks);
	error = tg_shared_maps_keep(&shared, skeleton->obj);
	if (!error && hooks & TG_UNIX_HOOKS)
		error = tg_unix_programs_load(&fresh, &shared);
	if (error) {
		error = load_failed(error);
		tg_shared_maps_close(&shared, maps);
		tg_program_set_free(&fresh);
		goto out;
	}
	*maps = shared;
	*set = fresh;
out:
	if (table >= 0)
		close(table);
	tg_libbpf_log_end();
	return error;
}

void tg_program_set_free(struct tg_program_set *set)
{
	tg_unix_programs_free(set);
	tidegate_bpf__destroy(set->skeleton);
	set->skeleton = NULL;
}

void tg_program_set_nest(const struct tg_program_set *set)
{
	set->skeleton->bss->tg_nests = 1;
	tg_unix_programs_nest(set);
}
