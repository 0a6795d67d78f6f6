/* SPDX-License-Identifier: MIT */
/* seen_socket.h - the sockets whose calls a hook sees. */
#ifndef TG_BASE_SEEN_SOCKET_H
#define TG_BASE_SEEN_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

struct tg_seen_socket {
	uint32_t proto, type;
	uint32_t ops; /* TG_BIT(enum tg_op): the calls that a hook sees */
};

/* The next kind of IP sockets, from *at on, whose calls of `op` a hook sees; NULL: no more. */
const struct tg_seen_socket *tg_seen_socket_next(uint32_t op, uint32_t *at);

/* Whether a hook sees calls of `op` of such an IP socket; type 0: of any type. */
bool tg_socket_is_seen(uint32_t op, uint32_t proto, uint32_t type);

#endif
