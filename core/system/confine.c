/* SPDX-License-Identifier: MIT */
/*
 * confine.c - keep a process that is about to execute a program from leaving its cgroup.
 *
 * A user who may not write to cgroup.procs above cannot leave; no_new_privs keeps it so.  Root
 * can in many ways, of which these are closed: the capabilities that change programs, devices,
 * memory, modules, namespaces and other processes; and files by which the kernel itself is
 * told what to do: cgroups, /proc/sys (core_pattern starts programs), sysfs.
 */
#define _GNU_SOURCE /* unshare(), mount_setattr() */
#include "system/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "system/capability.h"
#include "system/mount_line.h"

/* --- Files --------------------------------------------------------------------------- */

static int lock_mount(const char *point)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	int error = mount_setattr(AT_FDCWD, point, 0, &attributes, sizeof(attributes)) ? -errno : 0;

	/* Another mount lies over it, so nobody can reach it. */
	return error == -EINVAL || error == -ENOENT || error == -ENOTDIR ? 0 : error;
}

/* Make a file or a folder of procfs a mount of its own, which is read-only. */
static int lock_below(const char *proc, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", proc, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (mount(path, path, NULL, MS_BIND, NULL))
		return errno == ENOENT ? 0 : -errno;
	return lock_mount(path);
}

static int lock_proc(const struct tg_mount *mount)
{
	int error;

	if (strcmp(mount->root, "/"))
		return !strncmp(mount->root, "/sys", 4) ? lock_mount(mount->point) : 0;
	error = lock_below(mount->point, "sys");
	return error ? error : lock_below(mount->point, "sysrq-trigger");
}

/* The file systems by which the kernel is told what to do. */
static bool is_control(const char *type)
{
	static const char *const types[] = {
		"cgroup2",  "cgroup",  "sysfs",      "bpf",     "binfmt_misc",
		"configfs", "debugfs", "securityfs", "tracefs",
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

static int lock_files(void)
{
	struct tg_mount mount;
	struct tg_mounts mounts;
	int error = tg_mounts_open(&mounts);

	if (error)
		return error;
	while (!error && tg_mounts_next(&mounts, &mount)) {
		if (is_control(mount.type))
			error = lock_mount(mount.point);
		else if (!strcmp(mount.type, "proc"))
			error = lock_proc(&mount);
	}
	tg_mounts_close(&mounts);
	return error;
}

/* Not a slave of our namespace, into which later mounts would come that are writable. */
static int leave_namespaces(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return 0;
}

/* --- The terminal ---------------------------------------------------------------------- */

/* ioctl() in the other ABIs of the machine: that of i386 and arm, and x32. */
#define IOCTL_32  54
#define IOCTL_X32 (0x40000000 | 514)

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define IF(value, then, otherwise)                                                                 \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), then, otherwise)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)

/* The low half of the second argument, which is all that ioctl() looks at. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define REQUEST offsetof(struct seccomp_data, args[1])
#else
#define REQUEST (offsetof(struct seccomp_data, args[1]) + 4)
#endif

/*
 * A program can type on its terminal (TIOCSTI, and TIOCLINUX on a console).  The shell reads that
 * when the program has ended, and is not under the policy.  The calls that have the numbers of
 * ioctl() in another ABI have no use for such a second argument.
 */
static int refuse_typing(void)
{
	struct sock_filter code[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		IF(SYS_ioctl, 2, 0),
		IF(IOCTL_32, 1, 0),
		IF(IOCTL_X32, 0, 4),
		LOAD(REQUEST),
		IF(TIOCSTI, 1, 0),
		IF(TIOCLINUX, 0, 1),
		ANSWER(SECCOMP_RET_ERRNO | EPERM),
		ANSWER(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) ? -errno : 0;
}

/* --- Ways past the mounts ------------------------------------------------------------- */

#define OPEN_BY_HANDLE_32 342 /* of i386; clone3() has one number in all ABIs */
#define X32(number)       (0x40000000 | (number))

/*
 * Two calls reach a cgroup without a path: one starts a process in it, the other opens files by
 * their numbers.  libc does without the first one if it seems not to exist.
 */
static int refuse_handles(void)
{
	struct sock_filter code[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
		IF(AUDIT_ARCH_I386, 0, 3),
		LOAD(offsetof(struct seccomp_data, nr)),
		IF(SYS_clone3, 6, 0),
		IF(OPEN_BY_HANDLE_32, 6, 7),
		LOAD(offsetof(struct seccomp_data, nr)),
		IF(SYS_clone3, 3, 0),
		IF(X32(SYS_clone3), 2, 0),
		IF(SYS_open_by_handle_at, 2, 0),
		IF(X32(SYS_open_by_handle_at), 1, 2),
		ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
		ANSWER(SECCOMP_RET_ERRNO | EPERM),
		ANSWER(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) ? -errno : 0;
}

int tg_confine(bool as_root)
{
	int error = 0;

	if (as_root)
		error = leave_namespaces();
	if (!error && as_root)
		error = lock_files();
	if (!error && as_root)
		error = tg_capabilities_drop();
	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		error = -errno;
	if (!error && as_root)
		error = refuse_handles();
	return error ? error : refuse_typing();
}
