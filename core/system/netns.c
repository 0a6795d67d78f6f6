/* SPDX-License-Identifier: MIT */
/* netns.c - the cookie of a network namespace, which only a socket inside can ask for. */
#define _GNU_SOURCE /* CLONE_NEWNET */
#include "system/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "system/netns_call.h"

struct answer {
	int error;
	uint64_t cookie;
};

static void ask_socket(const void *question, void *out)
{
	struct answer *answer = out;
	socklen_t size = sizeof(answer->cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)question;
	answer->error = 0;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &answer->cookie, &size))
		answer->error = -errno;
	if (fd >= 0)
		close(fd);
}

static void ask_in_netns(int namespace, struct answer *answer)
{
	int error = tg_netns_call(namespace, ask_socket, NULL, answer, sizeof(*answer));

	if (error)
		answer->error = error;
}

/* Open a namespace, and no other file: a pipe would have us wait, a device may do anything. */
static int open_namespace(const char *path)
{
	int found = open(path, O_PATH | O_CLOEXEC), fd = -EINVAL;
	char again[32];
	struct statfs system;

	if (found < 0)
		return -errno;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", found);
	if (!fstatfs(found, &system) && system.f_type == NSFS_MAGIC) {
		fd = open(again, O_RDONLY | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	close(found);
	return fd;
}

static int find_path(const char *item, const char *path, struct answer *answer)
{
	int fd = open_namespace(path);

	if (fd < 0 && fd != -EINVAL)
		return tg_fail(fd, "\"%s\": no network namespace is found there: %s", item,
			       strerror(-fd));
	if (fd < 0 || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		if (fd >= 0)
			close(fd);
		return tg_fail(-EINVAL,
			       "\"%s\": is not a network namespace, such as /run/netns/NAME or "
			       "/proc/PID/ns/net",
			       item);
	}
	ask_in_netns(fd, answer);
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
		ask_in_netns(-1, &answer);
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
			       "\"%s\": finding its cookie takes entering it, which needs "
			       "CAP_SYS_ADMIN: run as root, or write the cookie",
			       item);
	if (answer.error)
		return tg_fail_errno(answer.error, "\"%s\": its cookie cannot be found", item);
	*cookie = answer.cookie;
	return 0;
}
