/* SPDX-License-Identifier: MIT */
/*
 * sock_destroy.c - end sockets by the kernel's socket diagnostics.
 *
 * A socket is named by its addresses and its cookie, so a socket that has taken
 * its place meanwhile is safe.
 */
#include "system/sock_destroy.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

struct reply {
	struct nlmsghdr header;
	struct nlmsgerr error;
	char rest[256]; /* of the request */
};

/* The diagnostics take an IPv4 address as the first word; ours is v4-mapped. */
static void put_address(__be32 into[4], const uint32_t addr_be[4], uint16_t family)
{
	if (family == AF_INET)
		into[0] = addr_be[3];
	else
		memcpy(into, addr_be, 16);
}

static void fill(const struct tg_redirected *socket, struct request *request)
{
	struct inet_diag_sockid *id = &request->body.id;
	uint64_t cookie = socket->cookie;

	*request = (struct request){
		.header = {.nlmsg_len = sizeof(*request),
			   .nlmsg_type = SOCK_DESTROY,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.body = {.sdiag_family = (uint8_t)socket->family,
			 .sdiag_protocol = (uint8_t)socket->proto,
			 .idiag_states = ~0u},
	};
	if (socket->proto == IPPROTO_MPTCP) {
		request->body.sdiag_protocol = IPPROTO_TCP;
		cookie = ~0ull;
	}
	put_address(id->idiag_dst, socket->peer_addr_be, socket->family);
	put_address(id->idiag_src, socket->own_addr_be, socket->family);
	id->idiag_dport = socket->peer_port_be;
	id->idiag_sport = socket->own_port_be;
	id->idiag_if = socket->device;
	id->idiag_cookie[0] = (uint32_t)cookie;
	id->idiag_cookie[1] = (uint32_t)(cookie >> 32);
}

static int destroy(int fd, const struct tg_redirected *socket)
{
	struct request request;
	struct reply reply;
	ssize_t got;

	fill(socket, &request);
	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	do
		got = recv(fd, &reply, sizeof(reply), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if ((size_t)got < sizeof(reply.header) + sizeof(reply.error.error) ||
	    reply.header.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return reply.error.error;
}

void tg_sock_destroy(const struct tg_redirected *sockets, size_t count,
		     struct tg_destroyed *destroyed)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	*destroyed = (struct tg_destroyed){.error = fd < 0 ? -errno : 0};
	for (size_t i = 0; fd >= 0 && i < count; i++) {
		int error = destroy(fd, &sockets[i]);

		/* The socket is gone, or another has taken its place. */
		if (error == -ENOENT || error == -ESTALE)
			continue;
		destroyed->count += !error;
		if (error && !destroyed->error)
			destroyed->error = error;
	}
	if (fd >= 0)
		close(fd);
}
