/* SPDX-License-Identifier: MIT */
/*
 * escape.c - ways round a policy that a program might try, linked statically.
 *
 *   escape HOW CALL FAMILY BOUND ADDRESS PORT
 *
 * HOW    plain, thread, fork: which task makes the call; uring, uring-async: by io_uring,
 *        in this thread or in one of the kernel's
 * CALL   connect, fastopen (sendto with MSG_FASTOPEN), fastopen-connect: by TCP;
 *        mptcp, mptcp-fastopen; sendto, sendmmsg: by UDP, unconnected; sendto-connected:
 *        by UDP, connected elsewhere first; udp: connected by UDP
 * FAMILY 4 or 6: the socket's; 0: the socket is IPv4, the address says AF_UNSPEC
 * BOUND  an address that the socket is bound to first, or -
 *
 * Prints "ok", the errno's name, or, if the kernel cannot do this, "none: " and the reason.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define PATIENCE_S 20

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static struct {
	const char *how, *call, *bound;
	int family;
	union address to;
	socklen_t length;
	int error; /* the result */
} attempt;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* End without an escape, because this kernel has no such call. */
static void none(const char *why)
{
	printf("none: %s\n", why);
	exit(0);
}

static socklen_t parse(int family, const char *text, const char *port, union address *address)
{
	*address = (union address){0};
	if (family == 6) {
		address->in6.sin6_family = AF_INET6;
		address->in6.sin6_port = htons((uint16_t)atoi(port));
		if (inet_pton(AF_INET6, text, &address->in6.sin6_addr) != 1)
			die(text);
		return sizeof(address->in6);
	}
	address->in.sin_family = family == 4 ? AF_INET : AF_UNSPEC;
	address->in.sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, text, &address->in.sin_addr) != 1)
		die(text);
	return sizeof(address->in);
}

/* --- io_uring, by system calls ---------------------------------------------------- */

struct ring {
	int fd;
	struct io_uring_params params;
	struct io_uring_sqe *entries;
	uint8_t *submitted, *completed;
};

static void *map_ring(const struct ring *ring, size_t size, off_t offset)
{
	void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			   offset);

	if (place == MAP_FAILED)
		die("mmap");
	return place;
}

static void open_ring(struct ring *ring)
{
	const struct io_uring_params *params = &ring->params;

	ring->fd = (int)syscall(__NR_io_uring_setup, 4, &ring->params);
	if (ring->fd < 0)
		none(strerror(errno));
	ring->submitted =
		map_ring(ring, params->sq_off.array + params->sq_entries * 4, IORING_OFF_SQ_RING);
	ring->completed = map_ring(
		ring, params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe),
		IORING_OFF_CQ_RING);
	ring->entries =
		map_ring(ring, params->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

/* Make one request and wait for its result. */
static int ask_ring(struct ring *ring, const struct io_uring_sqe *request)
{
	const struct io_uring_params *params = &ring->params;
	uint32_t *tail = (uint32_t *)(ring->submitted + params->sq_off.tail);
	const struct io_uring_cqe *answer;

	ring->entries[0] = *request;
	*(uint32_t *)(ring->submitted + params->sq_off.array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		die("io_uring_enter");
	answer = (const void *)(ring->completed + params->cq_off.cqes);
	return answer->res;
}

static int by_ring(int fd, bool sends)
{
	struct iovec part = {.iov_base = "x", .iov_len = 1};
	struct msghdr message = {.msg_name = &attempt.to,
				 .msg_namelen = attempt.length,
				 .msg_iov = &part,
				 .msg_iovlen = 1};
	struct io_uring_sqe request = {.fd = fd, .opcode = IORING_OP_CONNECT};
	struct ring ring = {0};
	int result;

	open_ring(&ring);
	request.addr = (uintptr_t)&attempt.to;
	request.off = attempt.length;
	if (sends) {
		request.opcode = IORING_OP_SENDMSG;
		request.addr = (uintptr_t)&message;
		request.off = 0;
		request.len = 1;
	}
	if (!strcmp(attempt.how, "uring-async"))
		request.flags = IOSQE_ASYNC;
	result = ask_ring(&ring, &request);
	errno = result < 0 ? -result : 0;
	return result < 0 ? -1 : 0;
}

/* --- The call ------------------------------------------------------------------------ */

static bool calls(const char *name)
{
	return !strcmp(attempt.call, name);
}

static int open_socket(void)
{
	int family = attempt.family == 6 ? AF_INET6 : AF_INET;
	bool datagrams = !strncmp(attempt.call, "send", 4) || calls("udp");
	bool mptcp = !strncmp(attempt.call, "mptcp", 5);
	struct timeval patience = {.tv_sec = PATIENCE_S};
	union address bound;
	int fd = socket(family, datagrams ? SOCK_DGRAM : SOCK_STREAM, mptcp ? IPPROTO_MPTCP : 0);

	if (fd < 0 && mptcp)
		none("no MPTCP");
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
		die("socket");
	if (*attempt.bound != '-') {
		socklen_t length = parse(attempt.family == 6 ? 6 : 4, attempt.bound, "0", &bound);

		if (bind(fd, &bound.any, length))
			die("bind");
	}
	return fd;
}

static int send_many(int fd)
{
	struct iovec part = {.iov_base = "x", .iov_len = 1};
	struct mmsghdr message = {.msg_hdr = {.msg_name = &attempt.to,
					      .msg_namelen = attempt.length,
					      .msg_iov = &part,
					      .msg_iovlen = 1}};

	return sendmmsg(fd, &message, 1, 0) == 1 ? 0 : -1;
}

/* Connect to the discard port of 127.0.0.2, on which nothing listens. */
static void connect_elsewhere(int fd)
{
	union address elsewhere;
	socklen_t length = attempt.family == 6 ? parse(6, "::ffff:127.0.0.2", "9", &elsewhere)
					       : parse(4, "127.0.0.2", "9", &elsewhere);

	if (connect(fd, &elsewhere.any, length))
		die("connect elsewhere");
}

static int make_call(int fd)
{
	const struct sockaddr *to = &attempt.to.any;
	int on = 1;

	if (calls("sendto-connected"))
		connect_elsewhere(fd);
	if (!strncmp(attempt.how, "uring", 5))
		return by_ring(fd, !strncmp(attempt.call, "send", 4));
	if (calls("fastopen") || calls("mptcp-fastopen")) {
		ssize_t sent = sendto(fd, "x", 1, MSG_FASTOPEN, to, attempt.length);

		if (sent < 0 && errno == EOPNOTSUPP)
			none("no fast open");
		return sent < 0 ? -1 : 0;
	}
	if (calls("fastopen-connect") &&
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)))
		none("no TCP_FASTOPEN_CONNECT");
	if (calls("sendmmsg"))
		return send_many(fd);
	if (!strncmp(attempt.call, "sendto", 6))
		return sendto(fd, "x", 1, 0, to, attempt.length) < 0 ? -1 : 0;
	return connect(fd, to, attempt.length);
}

static void *attempt_it(void *unused)
{
	int fd = open_socket();

	attempt.error = make_call(fd) ? errno : 0;
	close(fd);
	return unused;
}

static void in_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, attempt_it, NULL) || pthread_join(thread, NULL))
		die("thread");
}

static void in_child(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		attempt_it(NULL);
		_exit(attempt.error);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		die("fork");
	attempt.error = WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	if (argc != 7)
		die("usage: escape HOW CALL FAMILY BOUND ADDRESS PORT");
	attempt.how = argv[1];
	attempt.call = argv[2];
	attempt.family = atoi(argv[3]);
	attempt.bound = argv[4];
	attempt.length = parse(attempt.family, argv[5], argv[6], &attempt.to);
	if (!strcmp(attempt.how, "thread"))
		in_thread();
	else if (!strcmp(attempt.how, "fork"))
		in_child();
	else
		attempt_it(NULL);
	puts(attempt.error ? strerrorname_np(attempt.error) : "ok");
	return 0;
}
