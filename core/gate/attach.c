/* SPDX-License-Identifier: MIT */
/*
 * attach.c - the links between a gate's programs and its cgroups.
 *
 * The kernel detaches a link when its last descriptor is closed: a host that
 * dies leaves nothing attached.  A forked child closes its copies: tg_gate_detach().
 */
#include "gate/gate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "base/hook.h"
#include "system/attach_conflict.h"
#include "system/capability.h"

static void close_link(int *link)
{
	if (*link >= 0)
		close(*link);
	*link = -1;
}

static int link_failed(int error, const struct tg_cgroup *cgroup, enum tg_hook hook)
{
	const char *name = tg_hook_name(hook);
	char owner[2 * PATH_MAX + 512];

	if (error == -EPERM && !tg_owner_describe(cgroup->fd, hook, owner, sizeof(owner)))
		return tg_fail(error, "cannot attach %s: %s", name, owner);
	if (error == -EPERM)
		return tg_fail(error,
			       "cannot attach %s: not permitted; needs " TG_CAPABILITIES
			       "; run `tidegate doctor`",
			       name);
	return tg_fail_errno(error, "cannot attach %s", name);
}

static int make_link(struct tg_cgroup *cgroup, const struct tg_program_set *set, enum tg_hook hook)
{
	int link = bpf_link_create(set->program[hook], cgroup->fd, tg_hook_kinds[hook].attach_type,
				   NULL);

	if (link == -ENOENT) {
		cgroup->removed = true;
		return 0;
	}
	if (link < 0)
		return link_failed(link, cgroup, hook);
	cgroup->link[hook] = link;
	cgroup->fresh |= 1u << hook;
	return 0;
}

/* --- All cgroups of a gate --------------------------------------------------------- */

static int move_links(struct tg_gate *gate, const struct tg_program_set *to)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		for (int hook = 0; hook < TG_HOOKS; hook++) {
			int link = gate->cgroups[i].link[hook];
			int error;

			if (link < 0)
				continue;
			error = bpf_link_update(link, to->program[hook], NULL);
			if (error == -ENOLINK)
				gate->cgroups[i].removed = true;
			else if (error)
				return tg_fail_errno(error, "cannot replace the program of %s",
						     tg_hook_name(hook));
		}
	}
	return 0;
}

int tg_links_move(struct tg_gate *gate, const struct tg_program_set *from,
		  const struct tg_program_set *to)
{
	int error = move_links(gate, to);

	if (error)
		move_links(gate, from);
	return error;
}

static int add_links(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		for (int hook = 0; hook < TG_HOOKS; hook++) {
			int error;

			if (!(hooks >> hook & 1) || gate->cgroups[i].link[hook] >= 0 ||
			    gate->cgroups[i].removed)
				continue;
			error = make_link(&gate->cgroups[i], set, (enum tg_hook)hook);
			if (error)
				return error;
		}
	}
	return 0;
}

int tg_links_add(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++)
		gate->cgroups[i].fresh = 0;
	return add_links(gate, set, hooks);
}

void tg_links_undo(struct tg_gate *gate)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		for (int hook = 0; hook < TG_HOOKS; hook++) {
			if (gate->cgroups[i].fresh >> hook & 1)
				close_link(&gate->cgroups[i].link[hook]);
		}
		gate->cgroups[i].fresh = 0;
	}
}

static void drop_links(struct tg_cgroup *cgroup, uint32_t hooks)
{
	for (int hook = 0; hook < TG_HOOKS; hook++) {
		if (hooks >> hook & 1)
			close_link(&cgroup->link[hook]);
	}
}

void tg_links_drop(struct tg_gate *gate, uint32_t hooks)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		struct tg_cgroup *cgroup = &gate->cgroups[i];

		drop_links(cgroup, cgroup->removed ? ~0u : hooks);
		if (cgroup->removed)
			close(cgroup->fd);
		else
			gate->cgroups[kept++] = *cgroup;
	}
	gate->cgroup_count = kept;
}

/* --- One cgroup --------------------------------------------------------------------- */

static int open_cgroup(const char *path, struct tg_cgroup *cgroup)
{
	struct statfs filesystem;
	struct stat status;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return tg_fail_errno(-errno, "%s", path);
	if (fstatfs(fd, &filesystem) || fstat(fd, &status)) {
		error = tg_fail_errno(-errno, "%s", path);
		goto fail;
	}
	if (filesystem.f_type != CGROUP2_SUPER_MAGIC) {
		error = tg_fail(-EINVAL,
				"%s is not a cgroup2 folder; run `tidegate doctor` to see where "
				"cgroup2 is mounted",
				path);
		goto fail;
	}
	*cgroup = (struct tg_cgroup){.fd = fd, .id = {status.st_dev, status.st_ino}};
	for (int hook = 0; hook < TG_HOOKS; hook++)
		cgroup->link[hook] = -1;
	return 0;
fail:
	close(fd);
	return error;
}

static bool attached_to(const struct tg_gate *gate, const struct tg_cgroup *cgroup)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		if (!memcmp(gate->cgroups[i].id, cgroup->id, sizeof(cgroup->id)))
			return true;
	}
	return false;
}

int tg_gate_attach(struct tg_gate *gate, const char *path)
{
	struct tg_cgroup cgroup;
	int error;

	if (!gate->loaded)
		return tg_fail(-EINVAL, "nothing to attach: publish an image first");
	error = open_cgroup(path, &cgroup);
	if (error)
		return error;
	if (attached_to(gate, &cgroup)) {
		close(cgroup.fd);
		return tg_fail(-EEXIST, "%s: this gate is attached there already", path);
	}
	error = tg_array_reserve(gate->cgroups, gate->cgroup_capacity, gate->cgroup_count + 1,
				 "cgroups");
	if (error) {
		close(cgroup.fd);
		return error;
	}
	gate->cgroups[gate->cgroup_count++] = cgroup;
	error = tg_links_add(gate, &gate->set, gate->hooks);
	if (!error && gate->cgroups[gate->cgroup_count - 1].removed)
		error = tg_fail(-ENOENT, "%s: this cgroup has just been removed", path);
	if (error) {
		tg_links_undo(gate);
		close(gate->cgroups[--gate->cgroup_count].fd);
	}
	return error;
}

int tg_gate_move(struct tg_gate *gate, const char *path)
{
	struct tg_cgroup wanted;
	int error = tg_gate_attach(gate, path);

	if (error && error != -EEXIST)
		return error;
	error = open_cgroup(path, &wanted);
	if (error)
		return error;
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		if (memcmp(gate->cgroups[i].id, wanted.id, sizeof(wanted.id)))
			gate->cgroups[i].removed = true; /* from this gate */
	}
	close(wanted.fd);
	tg_links_drop(gate, 0);
	return 0;
}

/* In a forked child, such as a worker, this closes its copies of the links: they stay in force. */
int tg_gate_detach(struct tg_gate *gate)
{
	tg_links_drop(gate, ~0u);
	for (uint32_t i = 0; i < gate->cgroup_count; i++)
		close(gate->cgroups[i].fd);
	free(gate->cgroups);
	gate->cgroups = NULL;
	gate->cgroup_count = gate->cgroup_capacity = 0;
	return 0;
}
