/* SPDX-License-Identifier: MIT */
/* backend.c - backends, from their text: where a balance may send a call. */
#include "parse/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "bpf/layout/backend_layout.h"
#include "parse/address.h"
#include "parse/target.h"
#include "parse/unix_path.h"

static int parse(const char *text, uint32_t weight, uint32_t ops, struct tg_backend_place *backend)
{
	struct tg_term term = {0};
	int error;

	if (tg_path_is(text))
		return tg_fail(-EINVAL, "to: \"%s\": a backend is an address, not a unix socket",
			       text);
	error = tg_target_parse(text, ops, &term);
	if (error)
		return error;
	if (!(term.effects & TG_EFFECT_TO_ADDR))
		return tg_fail(-EINVAL,
			       "to: \"%s\": a backend has an address: write one, such as "
			       "\"10.0.1.5:8080\"",
			       text);
	if (!weight || weight > TG_MAX_WEIGHT)
		return tg_fail(-EINVAL, "to: \"%s\": weight: %u is not between 1 and %u", text,
			       weight, TG_MAX_WEIGHT);
	*backend = (struct tg_backend_place){
		.port_be = term.to_port_be,
		.weight = (uint16_t)weight,
		.state = TG_BACKEND_UP,
	};
	memcpy(backend->addr_be, term.to_addr_be, sizeof(backend->addr_be));
	return 0;
}

static const struct tg_backend_place *find(const struct tg_backends *backends,
					   const struct tg_backend_place *place)
{
	for (uint32_t i = 0; i < backends->count; i++)
		if (backends->at[i].port_be == place->port_be &&
		    !memcmp(backends->at[i].addr_be, place->addr_be, sizeof(place->addr_be)))
			return &backends->at[i];
	return NULL;
}

bool tg_backends_serve(const struct tg_backends *backends, const struct tg_backend_place *place)
{
	const struct tg_backend_place *found = find(backends, place);

	return found && found->state != TG_BACKEND_DOWN;
}

/* Check a backend against those that the list has already. */
static int check_beside(const struct tg_backends *backends, const char *text,
			const struct tg_backend_place *backend)
{
	if (backends->count == TG_MAX_BACKENDS)
		return tg_fail(-E2BIG, "to: \"%s\": a list has at most %u backends", text,
			       TG_MAX_BACKENDS);
	if (backends->count &&
	    tg_bytes_are_mapped(backend->addr_be) != tg_bytes_are_mapped(backends->at[0].addr_be))
		return tg_fail(-EINVAL,
			       "to: \"%s\": is IPv%d, but the first backend is IPv%d: the backends "
			       "of one list must be of one family",
			       text, tg_bytes_are_mapped(backend->addr_be) ? 4 : 6,
			       tg_bytes_are_mapped(backends->at[0].addr_be) ? 4 : 6);
	if (find(backends, backend))
		return tg_fail(-EEXIST,
			       "to: \"%s\": is there twice: for a larger share give it a "
			       "weight",
			       text);
	return 0;
}

int tg_backends_add(struct tg_backends *backends, const char *text, uint32_t weight, uint32_t ops)
{
	struct tg_backend_place backend;
	int error = parse(text, weight, ops, &backend);

	if (!error)
		error = check_beside(backends, text, &backend);
	if (!error)
		error = tg_array_reserve(backends->at, backends->capacity, backends->count + 1,
					 "backends");
	if (!error)
		backends->at[backends->count++] = backend;
	return error;
}

int tg_backends_take(struct tg_backends *backends, const struct tg_backend_spec *specs,
		     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t state = specs[i].state;
		int error;

		if (state < TG_BACKEND_UP || state > TG_BACKEND_DOWN)
			return tg_fail(-EINVAL, "to: \"%s\": %u is not a state of a backend",
				       specs[i].address, state);
		error = tg_backends_add(backends, specs[i].address, specs[i].weight, TG_OPS_EGRESS);
		if (error)
			return error;
		backends->at[backends->count - 1].state = state;
	}
	return 0;
}

void tg_backends_free(struct tg_backends *backends)
{
	free(backends->at);
	*backends = (struct tg_backends){0};
}
