/* SPDX-License-Identifier: MIT */
/* backend.c - backends, from their text: where a balance may send a call. */
#include "parse/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/struct_size.h"
#include "bpf/layout/backend_layout.h"
#include "parse/address.h"
#include "parse/target.h"
#include "parse/unix_path.h"

/* Where calls of some operations may go; its weight is 1, and it is up.  A name: its first address.
 */
static int parse(const char *text, uint32_t ops, bool numeric, struct tg_backend_place *backend,
		 struct tg_target_addresses *addresses)
{
	struct tg_term term = {0};
	int error;

	if (tg_path_is(text))
		return tg_fail(-EINVAL, "\"%s\": a backend is an address, not a unix socket", text);
	error = tg_target_parse(text, ops, numeric, &term, addresses);
	if (error)
		return error;
	if (!(term.effects & TG_EFFECT_TO_ADDR))
		return tg_fail(-EINVAL,
			       "\"%s\": a backend has an address: write one, such as "
			       "\"10.0.1.5:8080\"",
			       text);
	*backend = (struct tg_backend_place){
		.port_be = term.to_port_be,
		.weight = 1,
		.state = TG_BACKEND_UP,
	};
	memcpy(backend->addr_be, term.to_addr_be, sizeof(backend->addr_be));
	return 0;
}

/* `remedy` is what to do about a weight of 0. */
static int set_weight(struct tg_backend_place *backend, const char *text, uint32_t weight,
		      const char *remedy)
{
	if (!weight || weight > TG_MAX_WEIGHT)
		return tg_fail(-EINVAL, "\"%s\": weight: %u is not between 1 and %u%s", text,
			       weight, TG_MAX_WEIGHT, weight ? "" : remedy);
	backend->weight = (uint16_t)weight;
	return 0;
}

struct tg_backend_place *tg_backends_find(const struct tg_backends *backends,
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
	const struct tg_backend_place *found = tg_backends_find(backends, place);

	return found && found->state != TG_BACKEND_DOWN;
}

/* Check a backend against those that the list has already. */
static int check_beside(const struct tg_backends *backends, const char *text,
			const struct tg_backend_place *backend)
{
	if (backends->count == TG_MAX_BACKENDS)
		return tg_fail(-E2BIG, "\"%s\": a list has at most %u backends", text,
			       TG_MAX_BACKENDS);
	if (backends->count &&
	    tg_bytes_are_mapped(backend->addr_be) != tg_bytes_are_mapped(backends->at[0].addr_be))
		return tg_fail(-EINVAL,
			       "\"%s\": is IPv%d, but the first backend is IPv%d: the backends "
			       "of one list must be of one family",
			       text, tg_bytes_are_mapped(backend->addr_be) ? 4 : 6,
			       tg_bytes_are_mapped(backends->at[0].addr_be) ? 4 : 6);
	if (tg_backends_find(backends, backend))
		return tg_fail(-EEXIST,
			       "\"%s\": is there twice: for a larger share give it a "
			       "weight",
			       text);
	return 0;
}

int tg_backends_append(struct tg_backends *backends, const char *text,
		       const struct tg_backend_place *backend)
{
	int error = check_beside(backends, text, backend);

	if (!error)
		error = tg_array_reserve(backends->at, backends->capacity, backends->count + 1,
					 "backends");
	if (!error)
		backends->at[backends->count++] = *backend;
	return error;
}

/* --- Lists of rules ---------------------------------------------------------------------- */

/* No family has an address of each item, with this one. */
static int fail_mixed(const struct tg_backend_choices *choices, const char *text)
{
	bool first6 = !tg_bytes_are_mapped(choices->all.at[0].addr_be);

	return tg_fail(-EINVAL,
		       "\"%s\": is IPv%d, but the first backend is IPv%d: the backends of one list "
		       "must be of one family",
		       text, first6 ? 4 : 6, first6 ? 6 : 4);
}

int tg_backend_choices_add(struct tg_backend_choices *choices, const char *text, uint32_t weight,
			   uint32_t ops)
{
	struct tg_target_addresses addresses = {0};
	struct tg_backend_place place;
	bool has[2];
	int error = parse(text, ops, false, &place, &addresses);

	if (!error)
		error = set_weight(&place, text, weight, "");
	if (!error)
		error = tg_array_reserve(choices->all.at, choices->all.capacity,
					 choices->all.count + addresses.count, "backends");
	if (error)
		return error;
	for (int v6 = 0; v6 < 2; v6++)
		has[v6] = tg_target_first(&addresses, v6);
	if (!(has[0] && choices->items_of[0] == choices->items) &&
	    !(has[1] && choices->items_of[1] == choices->items))
		return fail_mixed(choices, text);
	for (uint32_t i = 0; i < addresses.count; i++) {
		memcpy(place.addr_be, addresses.addr_be[i], sizeof(place.addr_be));
		choices->all.at[choices->all.count++] = place;
	}
	choices->items++;
	choices->items_of[0] += has[0];
	choices->items_of[1] += has[1];
	return 0;
}

int tg_backend_choices_take(const struct tg_backend_choices *choices, bool v6, const char *text,
			    struct tg_backends *backends)
{
	int error = 0;

	for (uint32_t i = 0; i < choices->all.count && !error; i++)
		if (tg_bytes_are_mapped(choices->all.at[i].addr_be) != v6)
			error = tg_backends_append(backends, text, &choices->all.at[i]);
	return error;
}

/* --- Lists of services -------------------------------------------------------------------- */

static int take(struct tg_backend_place *backend, const struct tg_backend_spec *spec)
{
	struct tg_target_addresses addresses;
	struct tg_backend_place taken;
	int error;

	if (!spec->address)
		return tg_fail(-EINVAL, "a backend has no address: it is NULL");
	error = parse(spec->address, TG_OPS_EGRESS, true, &taken, &addresses);
	if (!error)
		error = set_weight(&taken, spec->address, spec->weight,
				   ": a backend that gets no new calls has the state draining");
	if (error)
		return error;
	if (spec->state > TG_BACKEND_DOWN)
		return tg_fail(-EINVAL, "\"%s\": %u is not a state of a backend", spec->address,
			       spec->state);
	taken.state = spec->state;
	*backend = taken;
	return 0;
}

static const struct tg_struct_kind spec_kind = {
	"tg_backend_spec", TG_STRUCT_FIRST(tg_backend_spec, state), sizeof(struct tg_backend_spec)};

int tg_backends_take(struct tg_backends *backends, const struct tg_backend_spec *specs,
		     size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		struct tg_backend_place backend;
		struct tg_backend_spec spec;

		error = tg_struct_take_at(&spec_kind, &spec, specs, i);
		if (!error)
			error = take(&backend, &spec);
		if (!error)
			error = tg_backends_append(backends, spec.address, &backend);
	}
	return error;
}

int tg_backend_take(struct tg_backend_place *backend, const struct tg_backend_spec *spec)
{
	struct tg_backend_spec taken;
	int error = tg_struct_take(&spec_kind, &taken, spec);

	return error ? error : take(backend, &taken);
}

int tg_backend_take_address(struct tg_backend_place *backend, const char *address)
{
	struct tg_target_addresses addresses;

	return parse(address, TG_OPS_EGRESS, true, backend, &addresses);
}

void tg_backends_free(struct tg_backends *backends)
{
	free(backends->at);
	*backends = (struct tg_backends){0};
}
