/* SPDX-License-Identifier: MIT */
/* backend.h - backends, from their text: where a balance may send a call. */
#ifndef TG_PARSE_BACKEND_H
#define TG_PARSE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidegate.h"

struct tg_backend_place {
	uint32_t addr_be[4]; /* IPv4 is v4-mapped */
	uint16_t port_be;    /* 0: the port of the call */
	uint16_t weight;
	uint32_t state; /* enum tg_backend_state */
};

struct tg_backends {
	struct tg_backend_place *at;
	uint32_t count, capacity;
};

/* Backends as they are spelled: a name may have addresses of both families. */
struct tg_backend_choices {
	struct tg_backends all;
	uint32_t items;       /* how many were added */
	uint32_t items_of[2]; /* how many of them have an address of IPv4, of IPv6 */
};

/*
 * Add "10.0.1.5:8080" to which calls of `ops`, 1 << enum tg_op, may go.  A name of a host is
 * looked up, and is all of its addresses.  -EINVAL: also if no family has an address of each item.
 */
int tg_backend_choices_add(struct tg_backend_choices *choices, const char *text, uint32_t weight,
			   uint32_t ops);

/* Append those of one family, which each item has.  -EEXIST, -E2BIG. */
int tg_backend_choices_take(const struct tg_backend_choices *choices, bool v6, const char *text,
			    struct tg_backends *backends);

/* Append the backends that a caller gives to a VIP.  Names are an error. */
int tg_backends_take(struct tg_backends *backends, const struct tg_backend_spec *specs,
		     size_t count);

/* Read one such backend, or its address alone. */
int tg_backend_take(struct tg_backend_place *backend, const struct tg_backend_spec *spec);
int tg_backend_take_address(struct tg_backend_place *backend, const char *address);

/* Append a backend that was read; `text` is how the caller spelled it. */
int tg_backends_append(struct tg_backends *backends, const char *text,
		       const struct tg_backend_place *backend);

/* The backend of this address and port, or NULL. */
struct tg_backend_place *tg_backends_find(const struct tg_backends *backends,
					  const struct tg_backend_place *place);

/* Whether a backend of the list has this address and port, and is not down. */
bool tg_backends_serve(const struct tg_backends *backends, const struct tg_backend_place *place);

void tg_backends_free(struct tg_backends *backends);

#endif
