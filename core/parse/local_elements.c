/* SPDX-License-Identifier: MIT */
/* local_elements.c - the addresses of this host, which "@local" stands for. */
#include "parse/local_elements.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/error.h"

static int add(struct tg_elements *elements, const char *item)
{
	return tg_elements_add(elements, item, 0, 0);
}

/* The address, and the IPv6 forms that have it inside: see named_range.c. */
static int add4(struct tg_elements *elements, const struct sockaddr_in *address)
{
	static const char *const before[] = {"", "::", "::ffff:0:", "64:ff9b::", "64:ff9b:1::"};
	const uint8_t *b = (const uint8_t *)&address->sin_addr;
	char item[64];
	int error = 0;

	for (size_t i = 0; i < sizeof(before) / sizeof(*before) && !error; i++) {
		snprintf(item, sizeof(item), "%s%u.%u.%u.%u", before[i], b[0], b[1], b[2], b[3]);
		error = add(elements, item);
	}
	if (error)
		return error;
	snprintf(item, sizeof(item), "2002:%02x%02x:%02x%02x::/48", b[0], b[1], b[2], b[3]);
	error = add(elements, item);
	snprintf(item, sizeof(item), "64:ff9b:1:%02x%02x:%02x:%02x00::/88", b[0], b[1], b[2], b[3]);
	return error ?: add(elements, item);
}

static int add6(struct tg_elements *elements, const struct sockaddr_in6 *address)
{
	char item[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &address->sin6_addr, item, sizeof(item));
	return add(elements, item);
}

int tg_local_elements_add(struct tg_elements *elements)
{
	struct ifaddrs *list;
	int error = add(elements, "127.0.0.0/8") ?: add(elements, "::1");

	if (error)
		return error;
	if (getifaddrs(&list))
		return tg_fail_errno(-errno, "@local: cannot read the host's addresses");
	for (struct ifaddrs *at = list; at && !error; at = at->ifa_next) {
		const struct sockaddr *address = at->ifa_addr;

		if (address && address->sa_family == AF_INET)
			error = add4(elements, (const void *)address);
		else if (address && address->sa_family == AF_INET6)
			error = add6(elements, (const void *)address);
	}
	freeifaddrs(list);
	return error;
}
