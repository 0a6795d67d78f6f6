/* SPDX-License-Identifier: MIT */
/*
 * seen_socket.c - the sockets whose calls a hook sees.
 *
 * A protocol calls the hook of connect in its pre_connect(), and that of sendmsg
 * in its sendmsg(), if it has either.  inet_bind() calls that of bind, unless the
 * protocol has a bind() of its own, as raw, ping and SCTP sockets have.
 */
#include "base/seen_socket.h"

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/hook.h"
#include "tidegate.h"

#define CONNECT  TG_BIT(TG_OP_CONNECT)
#define BIND     TG_BIT(TG_OP_BIND)
#define DATAGRAM (TG_BIT(TG_OP_SENDMSG) | TG_BIT(TG_OP_RECVMSG))
/* inet_getname() is that of all IP sockets. */
#define NAMES (TG_BIT(TG_OP_GETPEERNAME) | TG_BIT(TG_OP_GETSOCKNAME))

static const struct tg_seen_socket sockets[] = {
	{IPPROTO_TCP, SOCK_STREAM, CONNECT | BIND},
	{IPPROTO_MPTCP, SOCK_STREAM, CONNECT | BIND},
	{IPPROTO_UDP, SOCK_DGRAM, CONNECT | BIND | DATAGRAM},
	{IPPROTO_UDPLITE, SOCK_DGRAM, BIND | DATAGRAM},
	{IPPROTO_ICMP, SOCK_DGRAM, CONNECT},
	{IPPROTO_ICMPV6, SOCK_DGRAM, CONNECT},
	{IPPROTO_DCCP, SOCK_DCCP, BIND},
};

const struct tg_seen_socket *tg_seen_socket_next(uint32_t op, uint32_t *at)
{
	while (*at < sizeof(sockets) / sizeof(*sockets)) {
		const struct tg_seen_socket *socket = &sockets[(*at)++];

		if (socket->ops >> op & 1)
			return socket;
	}
	return NULL;
}

bool tg_socket_is_seen(uint32_t op, uint32_t proto, uint32_t type)
{
	const struct tg_seen_socket *socket;
	uint32_t at = 0;

	if (NAMES >> op & 1)
		return true;
	while ((socket = tg_seen_socket_next(op, &at)))
		if (socket->proto == proto && (!type || socket->type == type))
			return true;
	return false;
}
