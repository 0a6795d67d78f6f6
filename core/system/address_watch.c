/* SPDX-License-Identifier: MIT */
/*
 * address_watch.c - a descriptor that tells when addresses of this host come or go.
 *
 * It is a socket of rtnetlink that hears of addresses.  What has changed is not read from the
 * messages, because the kernel drops some if many come at once (ENOBUFS): whoever is told reads
 * all addresses again.  An address is in that list before its message is sent.
 */
#include "system/address_watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

int tg_address_watch_open(int *out)
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof(groups))) {
		int error = tg_fail_errno(-errno, "@local: cannot watch the host's addresses");

		if (fd >= 0)
			close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

bool tg_address_watch_take(int fd)
{
	bool changed = false;
	char message[64];

	for (;;) {
		if (recv(fd, message, sizeof(message), 0) >= 0 || errno == ENOBUFS)
			changed = true;
		else if (errno != EINTR)
			return changed;
	}
}
