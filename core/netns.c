/* SPDX-License-Identifier: MIT */
/*
 * netns.c - the cookie of a network namespace, which only a socket in it tells.
 *
 * A process of its own enters the namespace: this one may have threads and
 * sockets that must not notice.
 */
#define _GNU_SOURCE /* setns() */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "named_file.h"

#define OWN "/proc/self/ns/net"

struct answer {
	int error;
	uint64_t cookie;
};

static struct answer ask_socket(void)
{
	struct answer answer = {0};
	socklen_t size = sizeof(answer.cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &answer.cookie, &size))
		answer.error = -errno;
	if (fd >= 0)
		close(fd);
	return answer;
}

/* Nothing here but system calls: this process may have been a thread among many. */
static void answer_from_inside(int namespace, int out)
{
	struct answer answer = {0};

	if (setns(namespace, CLONE_NEWNET))
		answer.error = -errno;
	else
		answer = ask_socket();
	if (write(out, &answer, sizeof(answer)) != sizeof(answer))
		_exit(1);
	_exit(0);
}

static struct answer ask_inside(int namespace)
{
	struct answer answer = {.error = -EIO};
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return (struct answer){.error = -errno};
	child = fork();
	if (child == 0)
		answer_from_inside(namespace, ends[1]);
	if (child < 0)
		answer.error = -errno;
	close(ends[1]);
	if (child > 0) {
		ssize_t got;

		do
			got = read(ends[0], &answer, sizeof(answer));
		while (got < 0 && errno == EINTR);
		if (got != sizeof(answer))
			answer.error = -EIO;
		/* The host may wait for all children, and be faster. */
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(ends[0]);
	return answer;
}

/* The one that we are in needs no privileges. */
static bool is_own(int fd)
{
	struct stat own, other;

	return !stat(OWN, &own) && !fstat(fd, &other) && own.st_dev == other.st_dev &&
	       own.st_ino == other.st_ino;
}

static int find_path(const char *item, const char *path, struct answer *answer)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return tg_fail(-errno, "\"%s\": no network namespace is found there: %s", item,
			       strerror(errno));
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		close(fd);
		return tg_fail(-EINVAL,
			       "\"%s\": is no network namespace, such as /run/netns/NAME or "
			       "/proc/PID/ns/net",
			       item);
	}
	*answer = is_own(fd) ? ask_socket() : ask_inside(fd);
	close(fd);
	return 0;
}

static int parse_cookie(const char *item, const char *text, uint64_t *cookie)
{
	char *end;

	errno = 0;
	*cookie = strtoull(text, &end, 10);
	if (*end)
		return tg_fail(-EINVAL, "\"%s\": a cookie is a number", item);
	if (errno || !*cookie)
		return tg_fail(-EINVAL, "\"%s\": no network namespace has this cookie", item);
	return 0;
}

int tg_netns_find(const char *item, const char *text, uint64_t *cookie)
{
	struct answer answer = {0};
	int error = 0;

	if (*text >= '0' && *text <= '9')
		return parse_cookie(item, text, cookie);
	if (!strcmp(text, "self"))
		answer = ask_socket();
	else if (*text == '/')
		error = find_path(item, text, &answer);
	else
		error = tg_fail(-EINVAL,
				"\"%s\": not a network namespace: write self, a path such as "
				"/run/netns/NAME, or a cookie",
				item);
	if (error)
		return error;
	if (answer.error == -EPERM)
		return tg_fail(-EPERM,
			       "\"%s\": to find its cookie takes entering it, and that takes "
			       "CAP_SYS_ADMIN: run as root, or write the cookie",
			       item);
	if (answer.error)
		return tg_fail_errno(answer.error, "\"%s\": its cookie cannot be found", item);
	*cookie = answer.cookie;
	return 0;
}
