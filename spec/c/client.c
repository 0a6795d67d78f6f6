/* SPDX-License-Identifier: MIT */
/*
 * client.c - a client that does not use Lua: linked statically, and with threads.
 *
 *   client connect ADDRESS PORT         connect by TCP; print "ok" or the errno's name
 *   client thread ADDRESS PORT          like connect, but from a second thread; print its id first
 *   client storm DENIED REWRITTEN PORT  from two threads, over IPv4 and over mapped IPv6,
 *                                       connect to both until standard input ends; print how
 *                                       often each answer came
 *   client flood ADDRESS PORT MS        from two threads, connect as often as possible for MS
 *                                       milliseconds; print "PASSED FAILED NANOSECONDS"
 *
 * ADDRESS is IPv4 or IPv6.  The answer to a successful connect of a datagram
 * socket is its peer and its own address, because a rule may change both.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWERS 16

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static const char *errno_name(int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : "an errno without a name";
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static socklen_t parse(const char *text, const char *port, union address *address)
{
	*address = (union address){0};
	if (inet_pton(AF_INET, text, &address->in.sin_addr) == 1) {
		address->in.sin_family = AF_INET;
		address->in.sin_port = htons((uint16_t)atoi(port));
		return sizeof(address->in);
	}
	if (inet_pton(AF_INET6, text, &address->in6.sin6_addr) != 1)
		die(text);
	address->in6.sin6_family = AF_INET6;
	address->in6.sin6_port = htons((uint16_t)atoi(port));
	return sizeof(address->in6);
}

/* --- One connect ------------------------------------------------------------- */

static void connect_once(const char *address, const char *port)
{
	union address to;
	socklen_t length = parse(address, port, &to);
	int fd = socket(to.any.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	puts(connect(fd, &to.any, length) ? errno_name(errno) : "ok");
	close(fd);
}

static void *connect_in_thread(void *arguments)
{
	char **argv = arguments;

	printf("%d ", (int)gettid());
	connect_once(argv[2], argv[3]);
	return NULL;
}

/* --- Storm --------------------------------------------------------------------- */

struct storm {
	pthread_t thread;
	const char *denied, *rewritten, *port;
	bool v6;
	unsigned long calls;
	struct {
		char text[160];
		unsigned long count;
	} answer[ANSWERS];
};

static bool over;

static void note(struct storm *storm, const char *text)
{
	int i = 0;

	while (storm->answer[i].count && strcmp(storm->answer[i].text, text) != 0)
		if (++i == ANSWERS)
			die("too many answers");
	snprintf(storm->answer[i].text, sizeof(storm->answer[i].text), "%s", text);
	storm->answer[i].count++;
	storm->calls++;
}

/* An address as IPv4, whatever the socket's family is. */
static void format(const union address *address, char *text, size_t size)
{
	const void *bytes = &address->in.sin_addr;

	if (address->any.sa_family == AF_INET6)
		bytes = &address->in6.sin6_addr.s6_addr[12];
	inet_ntop(AF_INET, bytes, text, (socklen_t)size);
}

static void attempt(struct storm *storm, const char *what, const char *address, int type)
{
	union address to, peer = {0}, own = {0};
	socklen_t peer_length = sizeof(peer), own_length = sizeof(own);
	char spelled[64], text[160], peer_text[32], own_text[32];
	socklen_t length;
	int fd;

	snprintf(spelled, sizeof(spelled), "%s%s", storm->v6 ? "::ffff:" : "", address);
	length = parse(spelled, storm->port, &to);
	fd = socket(to.any.sa_family, type, 0);
	if (fd < 0)
		die("socket");
	if (connect(fd, &to.any, length)) {
		snprintf(text, sizeof(text), "%s: %s", what, errno_name(errno));
	} else {
		if (getpeername(fd, &peer.any, &peer_length) ||
		    getsockname(fd, &own.any, &own_length))
			die("getpeername");
		format(&peer, peer_text, sizeof(peer_text));
		format(&own, own_text, sizeof(own_text));
		snprintf(text, sizeof(text), "%s: %s:%d from %s", what, peer_text,
			 ntohs(peer.in.sin_port), own_text);
	}
	note(storm, text);
	close(fd);
}

/* At least one round, however soon `over` is set. */
static void *storm_on(void *argument)
{
	struct storm *storm = argument;

	do {
		attempt(storm, "rewritten", storm->rewritten, SOCK_DGRAM);
		attempt(storm, "denied", storm->denied, SOCK_STREAM);
		attempt(storm, "denied", storm->denied, SOCK_DGRAM);
	} while (!__atomic_load_n(&over, __ATOMIC_RELAXED));
	return NULL;
}

static void storm(char **argv)
{
	struct storm storms[2] = {{0}, {0}};
	char byte;

	for (int i = 0; i < 2; i++) {
		storms[i].denied = argv[2];
		storms[i].rewritten = argv[3];
		storms[i].port = argv[4];
		storms[i].v6 = i == 1;
		if (pthread_create(&storms[i].thread, NULL, storm_on, &storms[i]))
			die("pthread_create");
	}
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		pthread_join(storms[i].thread, NULL);
		printf("thread %d calls %lu\n", i, storms[i].calls);
		for (int j = 0; j < ANSWERS && storms[i].answer[j].count; j++)
			printf("%lu %s\n", storms[i].answer[j].count, storms[i].answer[j].text);
	}
}

/* --- Flood --------------------------------------------------------------------- */

struct flood {
	pthread_t thread;
	char **argv;
	unsigned long passed, failed, until;
};

static unsigned long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long)now.tv_sec * 1000000000 + (unsigned long)now.tv_nsec;
}

static void *flood_on(void *argument)
{
	struct flood *flood = argument;
	union address to;
	socklen_t length = parse(flood->argv[2], flood->argv[3], &to);
	int fd = socket(to.any.sa_family, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket");
	while (now_ns() < flood->until)
		(*(connect(fd, &to.any, length) ? &flood->failed : &flood->passed))++;
	close(fd);
	return NULL;
}

static void flood(char **argv)
{
	struct flood floods[2];
	unsigned long start = now_ns(), end;

	for (int i = 0; i < 2; i++) {
		floods[i] = (struct flood){.argv = argv,
					   .until = start + strtoul(argv[4], NULL, 10) * 1000000};
		if (pthread_create(&floods[i].thread, NULL, flood_on, &floods[i]))
			die("pthread_create");
	}
	for (int i = 0; i < 2; i++)
		pthread_join(floods[i].thread, NULL);
	end = now_ns();
	printf("%lu %lu %lu\n", floods[0].passed + floods[1].passed,
	       floods[0].failed + floods[1].failed, end - start);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	pthread_t thread;

	if (!strcmp(what, "connect") && argc == 4) {
		connect_once(argv[2], argv[3]);
	} else if (!strcmp(what, "thread") && argc == 4) {
		if (pthread_create(&thread, NULL, connect_in_thread, argv))
			die("pthread_create");
		pthread_join(thread, NULL);
	} else if (!strcmp(what, "storm") && argc == 5) {
		storm(argv);
	} else if (!strcmp(what, "flood") && argc == 5) {
		flood(argv);
	} else {
		fputs("usage: see the top of client.c\n", stderr);
		return 2;
	}
	return 0;
}
