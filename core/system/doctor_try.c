/* SPDX-License-Identifier: MIT */
/* doctor_try.c - what the doctor tries out. */
#include "system/doctor_try.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/kernel_probe.h"
#include "system/sock_destroy.h"
#include "tidegate.h"

int tg_doctor_try_map(void)
{
	return tg_probe_close(bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_doctor", 4, 8, 1, NULL));
}

int tg_doctor_try_attach(const char *cgroup)
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
		error = tg_probe_close(
			bpf_link_create(program, folder, BPF_CGROUP_INET4_CONNECT, NULL));
	if (folder >= 0)
		close(folder);
	close(program);
	return error;
}

int tg_doctor_try_make_cgroup(char *path, size_t size)
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

/* Connect to loopback.  Returns the descriptor, or -errno. */
static int connect_here(int kind, const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static void describe(int fd, uint16_t proto, struct tg_redirected *described)
{
	struct sockaddr_in own = {0}, peer = {0};
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer), cookie_size = sizeof(uint64_t);

	*described = (struct tg_redirected){.family = AF_INET, .proto = proto};
	getsockname(fd, (struct sockaddr *)&own, &own_size);
	getpeername(fd, (struct sockaddr *)&peer, &peer_size);
	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &described->cookie, &cookie_size);
	described->own_addr_be[3] = own.sin_addr.s_addr;
	described->own_port_be = own.sin_port;
	described->peer_addr_be[3] = peer.sin_addr.s_addr;
	described->peer_port_be = peer.sin_port;
}

/* A socket that waits on loopback, at *at.  Returns the descriptor, or -errno. */
static int wait_here(int kind, struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);
	int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0), error = 0;

	*at = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)at, size) ||
	    getsockname(fd, (struct sockaddr *)at, &size) || (kind == SOCK_STREAM && listen(fd, 1)))
		error = -errno;
	if (error)
		close(fd);
	return error ? error : fd;
}

int tg_doctor_try_kill(int kind)
{
	struct tg_destroyed destroyed = {0};
	struct tg_redirected described;
	struct sockaddr_in at;
	int server = wait_here(kind, &at), client;

	if (server < 0)
		return server;
	client = connect_here(kind, &at);
	if (client >= 0) {
		describe(client, kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP, &described);
		tg_sock_destroy(&described, 1, &destroyed);
		close(client);
	}
	close(server);
	if (client < 0)
		return client;
	return destroyed.count || destroyed.error ? destroyed.error : -EOPNOTSUPP;
}
