/* SPDX-License-Identifier: MIT */
/*
 * waker.c - a thread that notifies an event loop, through a unix socket, that
 * a gate has events.
 *
 * It is for event loops, such as nginx's, that can only wait for connections that
 * they have made themselves.  The socket's file exists until the loop has
 * connected.
 */
#define _GNU_SOURCE /* accept4(), struct ucred */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "tidegate_private.h"

struct tg_waker {
	pthread_t thread;
	pid_t owner; /* a child that inherits this by fork does not have the thread */
	int events;  /* the gate's fd, readable while it has events */
	int stop;    /* readable: the thread must end */
	int listener;
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof("/wake") + 1];
	struct sockaddr_un address;
};

/* --- The thread --------------------------------------------------------------------- */

/* Wait until `fd` is readable.  False: the thread must end. */
static bool wait_for(const struct tg_waker *waker, int fd)
{
	struct pollfd ready[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = waker->stop, .events = POLLIN},
	};

	while (poll(ready, 2, -1) < 0) {
		if (errno != EINTR)
			return false;
	}
	return !ready[1].revents;
}

/* Accept a connection from this process only.  -1: the thread must end. */
static int accept_own(const struct tg_waker *waker)
{
	while (wait_for(waker, waker->listener)) {
		struct ucred peer = {0};
		socklen_t size = sizeof(peer);
		int fd = accept4(waker->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
		    peer.pid == waker->owner)
			return fd;
		close(fd);
	}
	return -1;
}

static void remove_socket(struct tg_waker *waker)
{
	unlink(waker->address.sun_path);
	rmdir(waker->folder);
}

/* Send a byte when there are events; the loop answers with a byte when it has taken them. */
static void *run(void *data)
{
	struct tg_waker *waker = data;
	int fd = accept_own(waker);
	char answer;

	if (fd < 0)
		return NULL;
	remove_socket(waker);
	while (wait_for(waker, waker->events) && send(fd, "", 1, MSG_NOSIGNAL) == 1 &&
	       wait_for(waker, fd) && recv(fd, &answer, 1, 0) == 1)
		;
	close(fd);
	return NULL;
}

/* --- The thread's owner ------------------------------------------------------------- */

static int make_listener(struct tg_waker *waker)
{
	const char *parent = getenv("TMPDIR");
	size_t size = sizeof(waker->folder);

	if (!parent || !*parent)
		parent = "/tmp";
	if ((size_t)snprintf(waker->folder, size, "%s/tidegate-XXXXXX", parent) >= size)
		return tg_fail(-ENAMETOOLONG, "%s: too long for the path of a unix socket", parent);
	if (!mkdtemp(waker->folder))
		return tg_fail_errno(
			-errno, "cannot make a folder in %s (set TMPDIR to use another)", parent);
	waker->address.sun_family = AF_UNIX;
	sprintf(waker->address.sun_path, "%s/wake", waker->folder);
	if (bind(waker->listener, (struct sockaddr *)&waker->address, sizeof(waker->address)) ||
	    listen(waker->listener, 4)) {
		int error = -errno;

		remove_socket(waker);
		return tg_fail_errno(error, "cannot listen on %s", waker->address.sun_path);
	}
	return 0;
}

/* The thread blocks all signals: the process's other threads handle them. */
static int start_thread(struct tg_waker *waker)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&waker->thread, NULL, run, waker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error ? tg_fail_errno(-error, "cannot start a thread") : 0;
}

static void free_waker(struct tg_waker *waker)
{
	if (waker->listener >= 0)
		close(waker->listener);
	if (waker->stop >= 0)
		close(waker->stop);
	free(waker);
}

int tg_waker_start(const struct tg_gate *gate, char *path, size_t size, struct tg_waker **out)
{
	int events = tg_gate_event_fd(gate);
	struct tg_waker *waker;
	int error;

	if (events < 0)
		return events;
	waker = calloc(1, sizeof(*waker));
	if (!waker)
		return tg_fail(-ENOMEM, "out of memory: no room for a waker");
	waker->owner = getpid();
	waker->events = events;
	waker->stop = eventfd(0, EFD_CLOEXEC);
	waker->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (waker->stop < 0 || waker->listener < 0)
		error = tg_fail_errno(-errno, "cannot make a waker's socket");
	else
		error = make_listener(waker);
	if (error)
		goto fail;
	if (strlen(waker->address.sun_path) >= size)
		error = tg_fail(-ENOSPC, "tg_waker_start: the path does not fit: %s",
				waker->address.sun_path);
	else
		error = start_thread(waker);
	if (error) {
		remove_socket(waker);
		goto fail;
	}
	strcpy(path, waker->address.sun_path);
	*out = waker;
	return 0;
fail:
	free_waker(waker);
	return error;
}

void tg_waker_stop(struct tg_waker *waker)
{
	if (!waker)
		return;
	if (waker->owner == getpid()) {
		eventfd_write(waker->stop, 1);
		pthread_join(waker->thread, NULL);
		remove_socket(waker); /* it still exists if nobody has connected */
	}
	free_waker(waker);
}
