/* SPDX-License-Identifier: MIT */
/*
 * watcher.c - calls an address without pause, from three processes that are related in different
 * ways: a child, one that is nobody's child and has a session of its own, and this one.
 *
 *   watcher FILE ADDRESS PORT [stubborn|eat]
 *
 * FILE is a struct counts, which all three count in.  stubborn: they ignore every signal that can
 * be ignored; eat: this one takes memory until something ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEGABYTE (1024u * 1024u)

struct counts {
	uint64_t calls[3];
	uint64_t through;
};

static _Noreturn void watch(struct counts *counts, int number, const struct sockaddr_in *address,
			    int eats)
{
	for (;;) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			continue;
		if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)))
			__atomic_fetch_add(&counts->through, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&counts->calls[number], 1, __ATOMIC_RELAXED);
		close(fd);
		if (eats) {
			char *memory = malloc(MEGABYTE);

			if (memory)
				memset(memory, 1, MEGABYTE);
		}
	}
}

static void ignore_signals(void)
{
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_IGN);
}

int main(int count, char **arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const char *how = count > 4 ? arguments[4] : "";
	struct counts *counts;
	int fd;

	if (count < 4)
		return 2;
	fd = open(arguments[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || inet_pton(AF_INET, arguments[2], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((uint16_t)atoi(arguments[3]));
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counts == MAP_FAILED)
		return 2;
	if (!strcmp(how, "stubborn"))
		ignore_signals();
	if (!fork())
		watch(counts, 1, &address, 0);
	if (!fork()) {
		if (setsid() >= 0 && !fork())
			watch(counts, 2, &address, 0);
		_exit(0);
	}
	watch(counts, 0, &address, !strcmp(how, "eat"));
}
