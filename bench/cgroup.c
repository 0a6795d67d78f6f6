/* SPDX-License-Identifier: MIT */
/*
 * cgroup.c - a cgroup for each variant, below the one in which the benchmark was started.
 *
 * A socket belongs to the cgroup that its maker was in at that time. So the process enters each
 * cgroup once, makes the sockets, and comes back.
 */
#include "bench/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/group.h"

#define MOST_CGROUPS 256

static char home[PATH_MAX / 2], home_procs[PATH_MAX], base[PATH_MAX / 2 + 64];
static char made[MOST_CGROUPS][PATH_MAX];
static uint32_t made_count;

static int enter(const char *procs)
{
	int fd = open(procs, O_WRONLY | O_CLOEXEC);
	int err = fd >= 0 && write(fd, "0", 1) == 1 ? 0 : -errno;

	if (fd >= 0)
		close(fd);
	return err;
}

/* Async-signal-safe. */
void cgroups_remove(void)
{
	enter(home_procs);
	while (made_count)
		rmdir(made[--made_count]);
	rmdir(base);
}

static void on_signal(int number)
{
	cgroups_remove();
	_exit(128 + number);
}

void cgroups_open(void)
{
	check(tg_cgroup_find("self", home, sizeof(home)));
	snprintf(home_procs, sizeof(home_procs), "%s/cgroup.procs", home);
	snprintf(base, sizeof(base), "%s/tidegate-bench-%d", home, (int)getpid());
	if (mkdir(base, 0755))
		die("%s: %s", base, strerror(errno));
	atexit(cgroups_remove);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
}

/*
 * A socket that is bound already: the first connect would give an unbound one an address and a
 * port. A socket that sends to other machines' addresses cannot be bound to the loopback.
 */
static int make_socket(int family, enum tg_op op)
{
	uint32_t addr4 = op == TG_OP_SENDMSG ? INADDR_ANY : INADDR_LOOPBACK;
	union address local = {.in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}};
	socklen_t size = sizeof(local.in6);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET) {
		local.in4 = (struct sockaddr_in){.sin_family = AF_INET,
						 .sin_addr.s_addr = htonl(addr4)};
		size = sizeof(local.in4);
	} else if (family == AF_UNIX) {
		local.any.sa_family = AF_UNIX; /* and no name: the kernel gives it one */
		size = sizeof(sa_family_t);
	}
	if (fd < 0 || bind(fd, &local.any, size))
		die("socket: %s", strerror(errno));
	return fd;
}

void variant_place(struct variant *variant, int family)
{
	char procs[PATH_MAX + 16];

	if (made_count == MOST_CGROUPS)
		die("more than %u variants", MOST_CGROUPS);
	snprintf(variant->cgroup, sizeof(variant->cgroup), "%s/%u", base, made_count);
	if (mkdir(variant->cgroup, 0755))
		die("%s: %s", variant->cgroup, strerror(errno));
	strcpy(made[made_count++], variant->cgroup);
	variant->cgroup_fd = open(variant->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (variant->cgroup_fd < 0)
		die("%s: %s", variant->cgroup, strerror(errno));
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", variant->cgroup);
	if (enter(procs))
		die("%s: %s", procs, strerror(errno));
	for (uint32_t i = 0; i < VARIANT_SOCKETS; i++)
		variant->sockets[i] = make_socket(family, variant->op);
	if (enter(home_procs))
		die("%s: %s", home_procs, strerror(errno));
}
