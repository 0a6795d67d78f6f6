/* SPDX-License-Identifier: MIT */
/* doctor_probe.c - what the doctor tries out. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

void tg_probe_memlock(char *text, size_t size)
{
	struct rlimit limit = {0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		snprintf(text, size, "unlimited");
	else
		snprintf(text, size, "%llu KiB", (unsigned long long)limit.rlim_cur >> 10);
}

/* libbpf 1.x answers -errno; what came is not kept. */
static int close_result(int fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int tg_probe_map(void)
{
	return close_result(bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_doctor", 4, 8, 1, NULL));
}

int tg_probe_attach(const char *cgroup)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	int folder = -1, program, error;

	program = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "tg_doctor", "Dual MIT/GPL", code,
				sizeof(code) / sizeof(*code), &options);
	if (program < 0)
		return program;
	folder = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		error = -errno;
	else
		error = close_result(
			bpf_link_create(program, folder, BPF_CGROUP_INET4_CONNECT, NULL));
	close_result(folder);
	close(program);
	return error;
}

int tg_probe_make_cgroup(char *path, size_t size)
{
	char own[PATH_MAX];
	int error;

	error = tg_cgroup_find("self", own, sizeof(own));
	if (error)
		return error;
	if (snprintf(path, size, "%s/tidegate-doctor-%d", own, getpid()) >= (int)size)
		return -ENAMETOOLONG;
	return mkdir(path, 0755) ? -errno : 0;
}
