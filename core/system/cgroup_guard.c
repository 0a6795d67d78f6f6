/* SPDX-License-Identifier: MIT */
/*
 * cgroup_guard.c - a process that ends a cgroup together with the process that made it.
 *
 * The kernel can end one child with its parent, but neither its grandchildren nor one that has
 * changed its credentials.  A process beside them can: it waits for the end of the maker.
 */
#define _GNU_SOURCE
#include "system/cgroup_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "system/cgroup_end.h"

#define PATIENCE_MS 1000
#define RETRY_US    10000

/* The kernel's set of signals.  That of libc leaves out two that libc uses itself. */
static void set_blocked(uint64_t blocked, uint64_t *before)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, before, sizeof(blocked));
}

static int open_process(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* Close all descriptors but these; nothing here may keep a pipe, a file or a link of ours. */
static void close_others(const int *keep, size_t count)
{
	unsigned int next = 0;

	for (;;) {
		int least = -1;

		for (size_t i = 0; i < count; i++) {
			if (keep[i] >= (int)next && (least < 0 || keep[i] < least))
				least = keep[i];
		}
		if (least < 0)
			break;
		if (least > (int)next)
			close_range(next, (unsigned int)least - 1, 0);
		next = (unsigned int)least + 1;
	}
	close_range(next, ~0u, 0);
}

/* If memory is short, it is not this process that takes it.  Only root may say so. */
static void spare_from_oom_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "-1000", 5) < 0)
		errno = 0;
	close(fd);
}

/* Nothing but the end of the maker gives this process another parent, whatever poll() returns. */
static void wait_for_end(pid_t maker, int pidfd)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};

	while (getppid() == maker) {
		if (poll(&end, 1, -1) < 0)
			usleep(RETRY_US);
	}
}

static _Noreturn void guard(pid_t maker, int pidfd, int parent, const char *name, int cgroup)
{
	const int keep[] = {pidfd, parent, cgroup};

	setsid();
	prctl(PR_SET_NAME, "tidegate-guard");
	close_others(keep, sizeof(keep) / sizeof(*keep));
	if (chdir("/"))
		errno = 0;
	spare_from_oom_killer();
	wait_for_end(maker, pidfd);
	while (tg_cgroup_end(parent, name, cgroup, PATIENCE_MS) == -EBUSY)
		;
	_exit(0);
}

/* All signals are blocked before the fork, so that none can end the guard, or run our handlers. */
int tg_guard_start(int parent, const char *name, int cgroup, struct tg_guard *started)
{
	pid_t self = getpid();
	int maker = open_process(self);
	uint64_t before;
	int pidfd;
	pid_t pid;

	if (maker < 0)
		return tg_fail_errno(maker, "the guard of %s cannot be started", name);
	set_blocked(~UINT64_C(0), &before);
	pid = fork();
	if (!pid)
		guard(self, maker, parent, name, cgroup);
	pidfd = pid < 0 ? -errno : open_process(pid);
	set_blocked(before, NULL);
	close(maker);
	if (pidfd < 0 && pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (pidfd < 0)
		return tg_fail_errno(pidfd, "the guard of %s cannot be started", name);
	*started = (struct tg_guard){.pid = pid, .pidfd = pidfd};
	return 0;
}

void tg_guard_stop(struct tg_guard *started)
{
	kill(started->pid, SIGKILL);
	while (waitpid(started->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(started->pidfd);
}
