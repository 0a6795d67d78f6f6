/* SPDX-License-Identifier: MIT */
/*
 * nft.c - nftables, and network namespaces in which it sees what is sent.
 *
 * Rules of nftables are a namespace's own, so each variant has one: its sockets
 * are made there and stay.  All addresses but the own lead to a device that
 * drops what it is given, right behind the hook of what is sent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static int home = -1;

static bool works(const char *command)
{
	return !system(command);
}

void sink_enter(void)
{
	if (home < 0)
		home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || unshare(CLONE_NEWNET))
		die("cannot make a network namespace: %s", strerror(errno));
	if (!works("ip link set lo up && ip link add sink type ifb 2> /dev/null && "
		   "ip addr add 198.18.0.1/24 dev sink && ip link set sink up && "
		   "ip route add default via 198.18.0.2 dev sink"))
		die("cannot make a device of type ifb");
}

void sink_leave(void)
{
	if (setns(home, CLONE_NEWNET))
		die("cannot go back to the network namespace: %s", strerror(errno));
}

bool nft_is_there(void)
{
	if (!works("command -v nft > /dev/null")) {
		say("SKIP", "nftables: there is no nft; apt-get install nftables");
		return false;
	}
	if (!works("unshare -n nft list ruleset > /dev/null 2>&1")) {
		say("SKIP", "nftables: this kernel has none");
		return false;
	}
	if (!works("unshare -n ip link add sink type ifb 2> /dev/null")) {
		say("SKIP", "nftables: this kernel has no device of type ifb");
		return false;
	}
	return true;
}

/* A file without a name. */
FILE *nft_script(void)
{
	FILE *script = tmpfile();

	if (!script)
		die("cannot make a file: %s", strerror(errno));
	return script;
}

double nft_run(FILE *script)
{
	char command[64];
	double start;

	if (fflush(script))
		die("cannot write a file: %s", strerror(errno));
	snprintf(command, sizeof(command), "nft -f /proc/self/fd/%d", fileno(script));
	start = now_ns();
	if (!works(command))
		die("this failed: %s", command);
	fclose(script);
	return (now_ns() - start) / 1e6;
}
