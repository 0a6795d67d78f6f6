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

/*
 * Append "10.0.1.5:8080" to which calls of `ops`, 1 << enum tg_op, may go.
 * -EINVAL, -EEXIST, -E2BIG; the text starts with "to: ".
 */
int tg_backends_add(struct tg_backends *backends, const char *text, uint32_t weight, uint32_t ops);

/* Append the backends of a live service. */
int tg_backends_take(struct tg_backends *backends, const struct tg_backend_spec *specs,
		     size_t count);

/* Whether a backend of the list has this address and port, and is not down. */
bool tg_backends_serve(const struct tg_backends *backends, const struct tg_backend_place *place);

void tg_backends_free(struct tg_backends *backends);

#endif
