/* SPDX-License-Identifier: MIT */
/* attach_conflict.c - the program of another owner that bars ours from a cgroup. */
#include "system/attach_conflict.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/hook.h"

/* --- Which process holds it ------------------------------------------------------------------ */

static bool file_names_program(const char *path, uint32_t id)
{
	FILE *file = fopen(path, "re");
	char line[128];
	uint32_t found = 0;

	while (file && !found && fgets(line, sizeof(line), file))
		sscanf(line, "prog_id: %u", &found);
	if (file)
		fclose(file);
	return found == id;
}

static bool process_holds(const char *pid, uint32_t id)
{
	char path[64 + NAME_MAX], *end;
	const struct dirent *entry;
	bool holds = false;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%.32s/fdinfo", pid);
	folder = opendir(path);
	end = path + strlen(path);
	while (folder && !holds && (entry = readdir(folder))) {
		snprintf(end, sizeof(path) - (size_t)(end - path), "/%.20s", entry->d_name);
		holds = isdigit((unsigned char)*entry->d_name) && file_names_program(path, id);
	}
	if (folder)
		closedir(folder);
	return holds;
}

static void read_comm(const char *pid, char *comm, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.32s/comm", pid);
	file = fopen(path, "re");
	if (!file || !fgets(comm, (int)size, file))
		snprintf(comm, size, "?");
	comm[strcspn(comm, "\n")] = 0;
	if (file)
		fclose(file);
}

/* ", held by nginx[42]"; "" if no process has a descriptor of the program or of its link. */
static void find_holder(uint32_t id, char *text, size_t size)
{
	const struct dirent *entry;
	DIR *processes = opendir("/proc");
	char comm[32];

	*text = 0;
	while (processes && !*text && (entry = readdir(processes))) {
		if (!isdigit((unsigned char)*entry->d_name) || !process_holds(entry->d_name, id))
			continue;
		read_comm(entry->d_name, comm, sizeof(comm));
		snprintf(text, size, ", held by %s[%.16s]", comm, entry->d_name);
	}
	if (processes)
		closedir(processes);
}

/* --- Where it is --------------------------------------------------------------------- */

/*
 * The id of a program of this cgroup that bars others, or 0.  *decides: this cgroup
 * has programs, so no program of a cgroup above it matters.
 */
static uint32_t barring_program(int cgroup, enum tg_hook hook, bool own, bool *decides)
{
	__u32 flags = 0, ids[64] = {0}, count = 64;

	*decides = false;
	if (bpf_prog_query(cgroup, tg_hook_kinds[hook].attach_type, 0, &flags, ids, &count) ||
	    !count)
		return 0;
	*decides = true;
	if (flags & BPF_F_ALLOW_MULTI)
		return 0;
	/* A program that may be overridden bars others from its own cgroup, not from those below.
	 */
	return own || !(flags & BPF_F_ALLOW_OVERRIDE) ? ids[0] : 0;
}

static int open_parent(int cgroup)
{
	struct statfs filesystem;
	int parent = openat(cgroup, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0)
		return -1;
	if (!fstatfs(parent, &filesystem) && filesystem.f_type == CGROUP2_SUPER_MAGIC)
		return parent;
	close(parent);
	return -1;
}

/*
 * Find the cgroup, this one or one above, with a program that bars others.  Returns
 * a descriptor for the caller to close, or -1.
 */
static int find_barrier(int cgroup, enum tg_hook hook, uint32_t *id)
{
	int at = fcntl(cgroup, F_DUPFD_CLOEXEC, 3);

	for (bool own = true; at >= 0; own = false) {
		bool decides;
		int parent;

		*id = barring_program(at, hook, own, &decides);
		if (*id)
			return at;
		parent = decides ? -1 : open_parent(at);
		close(at);
		at = parent;
	}
	return -1;
}

static void path_of(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, size - 1);
	path[length > 0 ? length : 0] = 0;
}

int tg_owner_describe(int cgroup, enum tg_hook hook, char *text, size_t size)
{
	struct bpf_prog_info info = {0};
	__u32 info_size = sizeof(info);
	char path[PATH_MAX], holder[80];
	uint32_t id;
	int at = find_barrier(cgroup, hook, &id);
	int program;

	if (at < 0)
		return -ENOENT;
	path_of(at, path, sizeof(path));
	close(at);
	program = bpf_prog_get_fd_by_id(id);
	if (program >= 0) {
		bpf_obj_get_info_by_fd(program, &info, &info_size);
		close(program);
	}
	find_holder(id, holder, sizeof(holder));
	snprintf(text, size,
		 "program %u \"%.16s\", loaded by user %u%s, is attached to %s without "
		 "BPF_F_ALLOW_MULTI, which bars all others; have its owner attach it with that "
		 "flag, or remove it: bpftool cgroup detach %s %s id %u",
		 id, info.name, info.created_by_uid, holder, path, path, tg_hook_name(hook), id);
	return 0;
}
