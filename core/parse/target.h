/* SPDX-License-Identifier: MIT */
/* target.h - the address that a call is sent to, and the one that it comes from. */
#ifndef TG_PARSE_TARGET_H
#define TG_PARSE_TARGET_H

#include <stdbool.h>

#include "bpf/layout/image_layout.h"
#include "parse/endpoint.h"
#include "parse/unix_path.h"

/* The addresses of a target in the resolver's order; more than one: it is a name. */
struct tg_target_addresses {
	uint32_t count;
	uint32_t addr_be[TG_HOST_ADDRESSES][4]; /* IPv4 is v4-mapped */
};

/* The first of them that is IPv6, or IPv4; NULL: there is none. */
const uint32_t *tg_target_first(const struct tg_target_addresses *addresses, bool v6);

/*
 * Read where calls of `ops`, 1 << enum tg_op, are sent.  Sets port and effects of `term`, and its
 * address to the first of `addresses`; if the text names a unix socket, the effects only.
 * `numeric`: names of hosts and ports are an error.
 */
int tg_target_parse(const char *text, uint32_t ops, bool numeric, struct tg_term *term,
		    struct tg_target_addresses *addresses);

/* Read the path of a unix socket; any other text leaves *path and *bytes unchanged. */
int tg_target_path(const char *text, struct tg_path *path, uint32_t *bytes);

/* Read the address, perhaps with a port, to bind the socket to. */
int tg_target_source(const char *text, struct tg_term *term, struct tg_target_addresses *addresses);

#endif
