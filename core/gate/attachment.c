/* SPDX-License-Identifier: MIT */
/*
 * attachment.c - what is in force on the cgroups that a gate is attached to.
 *
 * That a link exists proves nothing: the kernel severs it when its cgroup is
 * removed, and whoever holds its descriptor may detach it.  Nor does that a program
 * was attached without one: whoever has the capabilities may detach it.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hook.h"
#include "base/struct_size.h"
#include "gate/gate.h"
#include "system/cgroup_end.h"
#include "system/cgroup_mount.h"
#include "system/cgroup_processes.h"

/* Programs on a cgroup and on all above it: 64 each at most, and few have any. */
#define MOST_PROGRAMS 1024

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

static bool link_holds(int fd)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.cgroup.cgroup_id;
}

/* Whether our program of a hook is among those of a cgroup.  1, 0, -errno. */
static int has_program(const struct tg_gate *gate, const struct tg_cgroup *cgroup, int hook,
		       uint32_t query)
{
	__u32 ids[MOST_PROGRAMS], count = MOST_PROGRAMS, flags;
	uint32_t id = program_id(gate->set.program[hook]);
	int error = bpf_prog_query(cgroup->fd, tg_hook_kinds[hook].attach_type, query, &flags, ids,
				   &count);

	for (__u32 i = 0; !error && i < count; i++) {
		if (ids[i] == id)
			return 1;
	}
	return error;
}

bool tg_hook_holds(const struct tg_gate *gate, const struct tg_cgroup *cgroup, int hook)
{
	int has;

	if (cgroup->link[hook] >= 0)
		return link_holds(cgroup->link[hook]);
	if (!(cgroup->programs >> hook & 1))
		return false;
	has = has_program(gate, cgroup, hook, 0);
	return has == -EPERM ? tg_cgroup_is_there(cgroup->fd) : has > 0;
}

/* The effective programs are also those of cgroups above, where this gate may be attached, too. */
static bool is_effective(const struct tg_gate *gate, const struct tg_cgroup *cgroup, int hook)
{
	int has = has_program(gate, cgroup, hook, BPF_F_QUERY_EFFECTIVE);

	return (has > 0 || has == -EPERM) && tg_hook_holds(gate, cgroup, hook);
}

/* Whether the file system of cgroups is seen above a folder that is not there. */
static bool is_removed(const char *folder)
{
	char above[PATH_MAX];
	long type = -ENOENT;
	char *end;

	snprintf(above, sizeof(above), "%s", folder);
	while (type == -ENOENT && (end = strrchr(above, '/')) && end != above) {
		*end = '\0';
		type = tg_file_system(above);
	}
	return type == CGROUP2_SUPER_MAGIC;
}

/*
 * A process that has restricted the gate holds nothing of a cgroup, not even its folder, which
 * would lead out of a chroot.  In one, no cgroup is seen, and none is known to be gone.
 */
static void look_from_outside(const struct tg_cgroup *cgroup, struct tg_attachment *attachment)
{
	int fd = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;

	attachment->state = TG_ATTACHMENT_UNKNOWN;
	if (fd < 0 && errno == ENOENT && is_removed(cgroup->path)) {
		attachment->state = TG_GONE;
		return;
	} else if (fd < 0) {
		attachment->processes = TG_PROCESSES_UNKNOWN;
		return;
	}
	if (!fstat(fd, &status) && status.st_dev == cgroup->id[0] && status.st_ino == cgroup->id[1])
		attachment->processes = tg_cgroup_processes(fd);
	else
		attachment->state = TG_GONE;
	close(fd);
}

void tg_attachment_of(const struct tg_gate *gate, const struct tg_cgroup *cgroup,
		      struct tg_attachment *attachment)
{
	*attachment = (struct tg_attachment){
		.path = cgroup->path,
		.cgroup_id = cgroup->id[1],
		.state = TG_GONE,
		.hooks = gate->hooks,
	};
	if (gate->restricted) {
		look_from_outside(cgroup, attachment);
		return;
	}
	attachment->processes = tg_cgroup_processes(cgroup->fd);
	if (!tg_cgroup_is_there(cgroup->fd))
		return;
	for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
		if (gate->hooks >> hook & 1 && is_effective(gate, cgroup, hook))
			attachment->effective |= 1u << hook;
	}
	attachment->state = attachment->effective == gate->hooks ? TG_ATTACHED : TG_SEVERED;
}

int tg_gate_attachment_next(const struct tg_gate *gate, uint64_t *cursor,
			    struct tg_attachment *attachment)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_attachment, 40);
	int error = tg_gate_check(gate, "attachment_next");
	struct tg_attachment found;

	if (!error)
		error = TG_REQUIRE(cursor);
	if (!error && attachment)
		error = tg_struct_check(kind, attachment);
	if (error)
		return error;
	if (*cursor >= gate->cgroup_count)
		return 0;
	if (attachment) {
		tg_attachment_of(gate, &gate->cgroups[*cursor], &found);
		tg_struct_give(kind, attachment, &found);
	}
	++*cursor;
	return 1;
}
