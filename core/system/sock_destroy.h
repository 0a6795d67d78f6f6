/* SPDX-License-Identifier: MIT */
/* sock_destroy.h - end connected sockets of any process in this network namespace. */
#ifndef TG_SYSTEM_SOCK_DESTROY_H
#define TG_SYSTEM_SOCK_DESTROY_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/layout/redirected_socket.h"

struct tg_destroyed {
	int32_t error;  /* the first error, apart from sockets that are gone; 0: none */
	uint32_t count; /* sockets that were ended */
};

/*
 * End these sockets, with system calls only: see netns_call.h.  -EPERM: it takes
 * CAP_NET_ADMIN; -EOPNOTSUPP: a kernel without CONFIG_INET_DIAG_DESTROY.
 */
void tg_sock_destroy(const struct tg_redirected *sockets, size_t count,
		     struct tg_destroyed *destroyed);

#endif
