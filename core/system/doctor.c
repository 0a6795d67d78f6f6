/* SPDX-License-Identifier: MIT */
/*
 * doctor.c - what this kernel, this user and this cgroup tree can do, each line
 * with its remedy.
 *
 * What can be tried is tried, in a new cgroup that is removed again; a version is
 * compared only if there is nothing to try.
 */
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "system/capability.h"
#include "system/doctor_try.h"
#include "system/kernel_feature.h"
#include "system/kernel_probe.h"
#include "tidegate.h"

#define BPFFS_PATH "/sys/fs/bpf"

/* Set one of a check's texts, and cut it if it is too long. */
#define set_text(array, ...) set_text_(array, sizeof(array), __VA_ARGS__)

__attribute__((format(printf, 3, 4))) static void set_text_(char *text, size_t size,
							    const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, size, format, arguments);
	va_end(arguments);
}

static int read_number(const char *path, int *number)
{
	FILE *file = fopen(path, "re");
	int error = 0;

	if (!file)
		return -errno;
	if (fscanf(file, "%d", number) != 1)
		error = -EINVAL;
	fclose(file);
	return error;
}

static void check_kernel(struct tg_check *check)
{
	struct utsname host;
	int major = 0, minor = 0;

	uname(&host);
	sscanf(host.release, "%d.%d", &major, &minor);
	set_text(check->found, "Linux %s, %s", host.release, host.machine);
	if (major > 6 || (major == 6 && minor >= 1))
		return;
	check->state = TG_CHECK_WARN;
	set_text(check->remedy, "Tidegate is tested on Linux 6.1 and newer: upgrade the kernel if "
				"one of the checks below fails");
}

static void check_btf(struct tg_check *check)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	if (access(path, R_OK) == 0) {
		set_text(check->found, "%s", path);
		return;
	}
	check->state = TG_CHECK_FAIL;
	set_text(check->found, "%s: %s", path, strerror(errno));
	set_text(check->remedy, "use a kernel that is built with CONFIG_DEBUG_INFO_BTF=y, as those "
				"of Debian, Fedora and Ubuntu are");
}

static void check_capabilities(struct tg_check *check)
{
	char missing[64];

	tg_capabilities_missing(missing, sizeof(missing));
	if (!*missing) {
		set_text(check->found, "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON%s",
			 tg_capabilities_admin() ? " (of CAP_SYS_ADMIN)" : "");
		return;
	}
	check->state = TG_CHECK_FAIL;
	set_text(check->found, "user %u lacks %s", geteuid(), missing);
	set_text(check->remedy, "run as root, or, in a systemd unit, with "
				"AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON");
}

static void check_unprivileged(struct tg_check *check)
{
	int value, error = read_number("/proc/sys/kernel/unprivileged_bpf_disabled", &value);

	if (error) {
		set_text(check->found, "unknown (%s)", strerror(-error));
	} else if (value) {
		set_text(check->found, "bpf(2) is for privileged users only (%d)", value);
	} else {
		check->state = TG_CHECK_WARN;
		set_text(check->found, "every user may load some kinds of BPF programs (0)");
		set_text(check->remedy, "Tidegate does not need this; to forbid it: "
					"sysctl -w kernel.unprivileged_bpf_disabled=2");
	}
}

static void check_jit(struct tg_check *check)
{
	int value, error = read_number("/proc/sys/net/core/bpf_jit_enable", &value);

	if (error == -ENOENT) {
		set_text(check->found, "cannot be seen from this network namespace");
	} else if (error) {
		set_text(check->found, "unknown (%s)", strerror(-error));
	} else if (value) {
		set_text(check->found, "on (%d)", value);
	} else {
		check->state = TG_CHECK_WARN;
		set_text(check->found, "off: programs are interpreted, several times slower");
		set_text(check->remedy, "sysctl -w net.core.bpf_jit_enable=1");
	}
}

static void check_cgroup2(struct tg_check *check)
{
	char root[PATH_MAX];
	bool beside;

	if (tg_cgroup_root(root, sizeof(root))) {
		check->state = TG_CHECK_FAIL;
		set_text(check->found, "not mounted");
		set_text(check->remedy, "%s", tg_error());
		return;
	}
	beside = access("/sys/fs/cgroup/memory/cgroup.procs", F_OK) == 0 ||
		 access("/sys/fs/cgroup/systemd/cgroup.procs", F_OK) == 0;
	set_text(check->found, "mounted at %.120s%s", root, beside ? ", beside version 1" : "");
}

static void check_own_cgroup(struct tg_check *check)
{
	char own[PATH_MAX], child[PATH_MAX + 32];
	int error;

	if (tg_cgroup_find("self", own, sizeof(own))) {
		check->state = TG_CHECK_FAIL;
		set_text(check->found, "cannot be seen from here");
		set_text(check->remedy, "%s", tg_error());
		return;
	}
	error = tg_doctor_try_make_cgroup(child, sizeof(child));
	if (!error) {
		rmdir(child);
		set_text(check->found, "%.120s, cgroups can be made in it", own);
		return;
	}
	check->state = TG_CHECK_FAIL;
	set_text(check->found, "%.100s: no cgroup can be made in it (%s)", own, strerror(-error));
	if (error == -EROFS)
		set_text(check->remedy, "in a container: mount cgroup2 writable, as in "
					"docker run -v /sys/fs/cgroup:/sys/fs/cgroup:rw");
	else
		set_text(check->remedy, "run as root, or have it delegated: systemd-run --user "
					"--scope -p Delegate=yes tidegate ...");
}

static void check_maps(struct tg_check *check)
{
	int error = tg_doctor_try_map();

	if (!error) {
		set_text(check->found, "an array map was made");
		return;
	}
	check->state = TG_CHECK_FAIL;
	set_text(check->found, "no map can be made (%s)", strerror(-error));
	set_text(check->remedy, "%s",
		 error == -ENOSYS ? "use a kernel that is built with CONFIG_BPF_SYSCALL=y"
		 : error == -EPERM
			 ? "see capabilities; in a container, its seccomp profile must "
			   "allow bpf(2) too"
			 : "see the memory limit of this cgroup, and ulimit -l on kernels "
			   "before 5.11");
}

/* Append a name to a list of them. */
static void append(char *text, size_t size, const char *name)
{
	size_t length = strlen(text);

	snprintf(text + length, size - length, "%s%s", length ? ", " : "", name);
}

static const char *const hook_prefix = "the hook ";

static bool is_hook(const struct tg_kernel_feature *feature)
{
	return !strncmp(feature->name, hook_prefix, strlen(hook_prefix));
}

/* The features for which trying had one result, among the hooks or among the rest. */
struct tried {
	char names[200];   /* comma-separated */
	const char *since; /* the first Linux that has all of them */
	uint32_t count;
	bool vital; /* without one of them there is no gate */
};

static double version(const char *since)
{
	int major = 0, minor = 0;

	sscanf(since, "%d.%d", &major, &minor);
	return major * 1000 + minor;
}

/* The rows for which tg_probe() returns `result`. */
static struct tried list_features(bool hooks, int result)
{
	struct tried tried = {.since = "0"};

	for (uint32_t i = 0; tg_kernel_features[i].name; i++) {
		const struct tg_kernel_feature *feature = &tg_kernel_features[i];

		if (is_hook(feature) != hooks || tg_probe(i) != result)
			continue;
		append(tried.names, sizeof(tried.names),
		       feature->name + (hooks ? strlen(hook_prefix) : 0));
		if (version(feature->since) > version(tried.since))
			tried.since = feature->since;
		tried.vital |= feature->hooks >> TG_HOOK_CONNECT4 & 1;
		tried.count++;
	}
	return tried;
}

/* "connect_unix, sendmsg_unix: Linux 6.7 has them" */
static void check_features(struct tg_check *check, bool hooks)
{
	struct tried have = list_features(hooks, 0), missing = list_features(hooks, -ENOTSUP),
		     unknown = list_features(hooks, -EPERM);

	if (unknown.count) {
		check->state = TG_CHECK_FAIL;
		if (have.count)
			set_text(check->found, "cannot be tried with these capabilities: %s",
				 unknown.names);
		else
			set_text(check->found, "cannot be tried: bpf(2) is not permitted");
		set_text(check->remedy,
			 "see capabilities; in a container, its seccomp profile must "
			 "allow bpf(2) too");
		return;
	}
	if (!missing.count && hooks) {
		set_text(check->found, "a program can be loaded for each of the %u", have.count);
	} else if (!missing.count) {
		set_text(check->found, "%s", have.names);
	} else {
		check->state = missing.vital ? TG_CHECK_FAIL : TG_CHECK_WARN;
		set_text(check->found, "all except %s", missing.names);
		set_text(check->remedy,
			 "rules that need them need Linux %s, built with CONFIG_CGROUP_BPF=y; "
			 "unsupported = \"skip\" in policy {} skips such rules",
			 missing.since);
	}
}

static void check_hooks(struct tg_check *check)
{
	check_features(check, true);
}

static void check_effects(struct tg_check *check)
{
	check_features(check, false);
}

static void check_attach(struct tg_check *check)
{
	char cgroup[PATH_MAX + 32];
	int error = tg_doctor_try_make_cgroup(cgroup, sizeof(cgroup));

	if (!error) {
		error = tg_doctor_try_attach(cgroup);
		rmdir(cgroup);
	}
	if (!error) {
		set_text(check->found, "a program was attached to a cgroup by a link");
		return;
	}
	check->state = TG_CHECK_FAIL;
	set_text(check->found, "no program can be attached to a cgroup below our own (%s)",
		 strerror(-error));
	set_text(check->remedy, "follow the remedies above; if all is ok there, a program that "
				"was attached to a cgroup above without BPF_F_ALLOW_MULTI bars "
				"others: bpftool cgroup tree shows it");
}

static void check_bpffs(struct tg_check *check)
{
	struct statfs fs;

	if (statfs(BPFFS_PATH, &fs) == 0 && fs.f_type == BPF_FS_MAGIC) {
		set_text(check->found, "mounted at " BPFFS_PATH);
		return;
	}
	check->state = TG_CHECK_WARN;
	set_text(check->found, "not mounted; only gates that outlive their process need it");
	set_text(check->remedy, "mount -t bpf bpf " BPFFS_PATH);
}

/* Only kill needs it. */
static void check_kill(struct tg_check *check)
{
	int error = tg_doctor_try_kill(SOCK_STREAM);

	if (!error)
		error = tg_doctor_try_kill(SOCK_DGRAM);
	if (!error) {
		set_text(check->found, "connected TCP and UDP sockets can be ended");
		return;
	}
	check->state = TG_CHECK_WARN;
	set_text(check->found, "connected sockets cannot be ended: %s", strerror(-error));
	if (error == -EPERM)
		set_text(check->remedy, "only kill needs it; it takes CAP_NET_ADMIN");
	else if (error == -EOPNOTSUPP)
		set_text(check->remedy,
			 "only kill needs it; use a kernel with CONFIG_INET_DIAG_DESTROY=y, "
			 "and load its modules: modprobe -a tcp_diag udp_diag");
	else
		set_text(check->remedy, "only kill needs it; trying it needs loopback: "
					"ip link set lo up");
}

static void check_memlock(struct tg_check *check)
{
	struct rlimit limit = {0};
	char text[32] = "unlimited";

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur != RLIM_INFINITY)
		set_text(text, "%llu KiB", (unsigned long long)limit.rlim_cur >> 10);
	set_text(check->found, "%s; since Linux 5.11 maps count as memory of the cgroup instead",
		 text);
}

/* The same on every machine: it follows from what sock_addr hooks are. */
static void check_unseen(struct tg_check *check)
{
	set_text(check->found,
		 "raw, packet, netlink and vsock sockets; SCTP; what ping sockets bind and send; "
		 "the connects of UDP-Lite; ports that the kernel picks; incoming connections; "
		 "what a connected socket sends, so a socket that was connected before the gate "
		 "was attached stays connected");
}

static const struct {
	const char *name;
	void (*run)(struct tg_check *check);
} checks[] = {
	{"kernel", check_kernel},
	{"BTF", check_btf},
	{"capabilities", check_capabilities},
	{"unprivileged BPF", check_unprivileged},
	{"JIT", check_jit},
	{"memlock", check_memlock},
	{"maps", check_maps},
	{"hooks", check_hooks},
	{"effects", check_effects},
	{"cgroup2", check_cgroup2},
	{"own cgroup", check_own_cgroup},
	{"attach", check_attach},
	{"kill", check_kill},
	{"bpffs", check_bpffs},
	{"not seen by hooks", check_unseen},
};

/* What fails in a check is its result, so that the text of tg_error() stays as it was. */
static void run_check(void (*run)(struct tg_check *check), struct tg_check *check)
{
	char *before = strdup(tg_error());

	run(check);
	if (before)
		tg_fail(0, "%s", before);
	free(before);
}

int tg_doctor_next(uint64_t *cursor, struct tg_check *check)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_check, 688);
	struct tg_check done = {.state = TG_CHECK_OK};
	int error = TG_REQUIRE(cursor);

	if (!error && check)
		error = tg_struct_check(kind, check);
	if (error || *cursor >= sizeof(checks) / sizeof(*checks))
		return error;
	set_text(done.name, "%s", checks[*cursor].name);
	run_check(checks[*cursor].run, &done);
	(*cursor)++;
	if (check)
		tg_struct_give(kind, check, &done);
	return 1;
}
