/* SPDX-License-Identifier: MIT */
/*
 * launch.c - start the program that runs under a policy.
 *
 * All that makes the program less than this process happens in the child: it enters the
 * cgroup, gives up rights, becomes another user, and executes the program.  So this process
 * is never in that cgroup and never that user, and the program never runs outside, not even
 * for a moment.
 */
#define _GNU_SOURCE /* pipe2(), environ, execvp(), setresuid() */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "system/capability.h"
#include "system/confine.h"
#include "tidegate_private.h"

/* What the child has to say, if it does not execute the program. */
struct report {
	int32_t step;
	int32_t error;
};

/* --- In the child ------------------------------------------------------------------- */

/* The program must not inherit what we ignore. */
static void reset_signals(bool ignore_hangup)
{
	for (int number = 1; number < NSIG; number++)
		signal(number, number == SIGHUP && ignore_hangup ? SIG_IGN : SIG_DFL);
}

static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int enter_cgroup(int procs)
{
	return write(procs, "0", 1) == 1 ? 0 : -errno;
}

static int become(const struct tg_launch *launch)
{
	if (!(launch->flags & TG_LAUNCH_AS_USER))
		return 0;
	/* A process with our session keyring may use our keys.  Some kernels have no keyrings. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (setgroups(launch->group_count, launch->groups) ||
	    setresgid(launch->gid, launch->gid, launch->gid) ||
	    setresuid(launch->uid, launch->uid, launch->uid))
		return -errno;
	return 0;
}

static int execute(const struct tg_launch *launch)
{
	if (launch->environment)
		environ = (char **)launch->environment;
	execvp(launch->arguments[0], (char *const *)launch->arguments);
	return -errno;
}

static struct report be_program(const struct tg_launch *launch, int procs)
{
	bool as_user = launch->flags & TG_LAUNCH_AS_USER;
	bool is_root = (as_user ? launch->uid : geteuid()) == 0;
	struct report report = {.step = TG_LAUNCH_CGROUP, .error = enter_cgroup(procs)};

	reset_signals(launch->flags & TG_LAUNCH_IGNORE_HANGUP);
	if (!report.error && launch->flags & TG_LAUNCH_CONFINE)
		report = (struct report){TG_LAUNCH_CONFINED, tg_confine(is_root)};
	if (!report.error)
		report = (struct report){TG_LAUNCH_USER, become(launch)};
	if (!report.error)
		report = (struct report){TG_LAUNCH_CAPABILITIES, tg_capabilities_pass_none()};
	unblock_signals();
	if (!report.error)
		report = (struct report){TG_LAUNCH_PROGRAM, execute(launch)};
	return report;
}

static void be_child(const struct tg_launch *launch, int procs, int out)
{
	struct report report = be_program(launch, procs);
	ssize_t ignored = write(out, &report, sizeof(report));

	(void)ignored;
	_exit(127);
}

/* --- In this process ----------------------------------------------------------------- */

/* Read why the child did not execute the program; nothing comes if it did. */
static struct report read_report(int in)
{
	struct report report;
	ssize_t got;

	do
		got = read(in, &report, sizeof(report));
	while (got < 0 && errno == EINTR);
	return got == sizeof(report) ? report : (struct report){0};
}

static int open_procs(const char *cgroup)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Start the child; -errno: there is none. */
static int fork_child(const struct tg_launch *launch, int procs, pid_t *pid, struct report *report)
{
	sigset_t all, before;
	struct sigaction child;
	int ends[2];

	/* A process that ignores SIGCHLD never learns the status of a child. */
	if (!sigaction(SIGCHLD, NULL, &child) && child.sa_handler == SIG_IGN)
		signal(SIGCHLD, SIG_DFL);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	/* A signal must not call our handlers in the child, which would tell our event loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	*pid = fork();
	if (!*pid)
		be_child(launch, procs, ends[1]);
	int error = *pid < 0 ? -errno : 0;

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	if (!error)
		*report = read_report(ends[0]);
	close(ends[0]);
	return error;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int start(const struct tg_launch *launch, int procs, struct tg_launched *launched)
{
	struct report report = {0};
	pid_t pid = -1;
	int error = fork_child(launch, procs, &pid, &report), fd;

	if (error)
		return error;
	if (report.error) {
		launched->step = report.step;
		reap(pid);
		return report.error;
	}
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0) {
		error = -errno;
		kill(pid, SIGKILL);
		reap(pid);
		return error;
	}
	*launched = (struct tg_launched){.pid = pid, .pidfd = fd};
	return 0;
}

int tg_launch(const struct tg_launch *launch, struct tg_launched *launched)
{
	int procs, error;

	*launched = (struct tg_launched){.pid = -1, .pidfd = -1, .step = TG_LAUNCH_CGROUP};
	procs = open_procs(launch->cgroup);
	if (procs < 0)
		return tg_fail_errno(procs, "%s", launch->cgroup);
	launched->step = TG_LAUNCH_START;
	error = start(launch, procs, launched);
	close(procs);
	return error ? tg_fail_errno(error, "%s", launch->arguments[0]) : 0;
}

int tg_launched_ended(struct tg_launched *launched, int32_t *code, int32_t *number)
{
	siginfo_t info = {0};
	bool exited;

	if (waitid(P_PID, (id_t)launched->pid, &info, WEXITED | WNOHANG))
		return tg_fail_errno(-errno, "pid %d", launched->pid);
	if (!info.si_pid)
		return 0;
	close(launched->pidfd);
	launched->pidfd = -1;
	exited = info.si_code == CLD_EXITED;
	*code = exited ? info.si_status : 0;
	*number = exited ? 0 : info.si_status;
	return 1;
}
