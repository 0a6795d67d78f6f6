/* SPDX-License-Identifier: MIT */
/*
 * nftables.c - nftables, and network namespaces in which it sees what is sent.
 *
 * A network namespace has its own nftables rules. So each variant gets one: its sockets are made
 * there, and stay there. The device that drops all datagrams comes right after the output hook.
 */
#define _GNU_SOURCE
#include "bench/nftables.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

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
		say("SKIP", "nftables: nft is missing; install it with: apt-get install nftables");
		return false;
	}
	if (!works("unshare -n nft list ruleset > /dev/null 2>&1")) {
		say("SKIP", "nftables: this kernel does not have it");
		return false;
	}
	if (!works("unshare -n ip link add sink type ifb 2> /dev/null")) {
		say("SKIP", "nftables: this kernel has no devices of type ifb");
		return false;
	}
	return true;
}

double nft_run(FILE *script)
{
	char path[64], command[96];
	double start;

	scratch_path(script, path, sizeof(path));
	snprintf(command, sizeof(command), "nft -f %s", path);
	start = now_ns();
	if (!works(command))
		die("this failed: %s", command);
	fclose(script);
	return (now_ns() - start) / 1e6;
}
