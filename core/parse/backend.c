/* SPDX-License-Identifier: MIT */
/* backend.c - lists of backends: from their texts to the rows that are picked from. */
#include "parse/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bpf/layout/backend_layout.h"
#include "parse/address.h"
#include "parse/unix_path.h"
#include "policy/effect.h"

static bool is_v4(const uint32_t addr_be[4])
{
	return !addr_be[0] && !addr_be[1] && addr_be[2] == htonl(0xffff);
}

static int parse(const char *text, uint32_t weight, uint32_t ops, struct tg_backend_place *backend)
{
	struct tg_term term = {0};
	int error;

	if (tg_path_is(text))
		return tg_fail(-EINVAL, "to: \"%s\": a unix socket is no backend", text);
	error = tg_effect_to(text, ops, &term);
	if (error)
		return error;
	if (!(term.effects & TG_EFFECT_TO_ADDR))
		return tg_fail(-EINVAL,
			       "to: \"%s\": a backend has an address: write one, such as "
			       "\"10.0.1.5:8080\"",
			       text);
	if (!weight || weight > TG_MAX_WEIGHT)
		return tg_fail(-EINVAL, "to: \"%s\": weight: %u is not one from 1 to %u", text,
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

/* How it stands with those that are there. */
static int check_beside(const struct tg_backends *backends, const char *text,
			const struct tg_backend_place *backend)
{
	if (backends->count == TG_MAX_BACKENDS)
		return tg_fail(-E2BIG,
			       "to: \"%s\": would be one too many: a list has at most %u backends",
			       text, TG_MAX_BACKENDS);
	if (backends->count && is_v4(backend->addr_be) != is_v4(backends->at[0].addr_be))
		return tg_fail(-EINVAL,
			       "to: \"%s\": is IPv%d, and the first backend IPv%d: those of one "
			       "list are of one family",
			       text, is_v4(backend->addr_be) ? 4 : 6,
			       is_v4(backends->at[0].addr_be) ? 4 : 6);
	if (find(backends, backend))
		return tg_fail(-EEXIST,
			       "to: \"%s\": is there twice: for a larger share give it a "
			       "weight",
			       text);
	return 0;
}

int tg_backends_add(struct tg_backends *backends, const char *text, uint32_t weight, uint32_t ops)
{
	struct tg_backend_place backend, *at;
	int error = parse(text, weight, ops, &backend);

	if (!error)
		error = check_beside(backends, text, &backend);
	if (error)
		return error;
	at = realloc(backends->at, (backends->count + 1) * sizeof(*at));
	if (!at)
		return tg_fail(-ENOMEM, "out of memory: no room for a backend");
	backends->at = at;
	at[backends->count++] = backend;
	return 0;
}

int tg_backends_take(struct tg_backends *backends, const struct tg_backend_spec *specs,
		     size_t count)
{
	const uint32_t goes = 1u << TG_OP_CONNECT | 1u << TG_OP_SENDMSG;

	for (size_t i = 0; i < count; i++) {
		uint32_t state = specs[i].state;
		int error;

		if (state < TG_BACKEND_UP || state > TG_BACKEND_DOWN)
			return tg_fail(-EINVAL, "to: \"%s\": %u is not a state of a backend",
				       specs[i].address, state);
		error = tg_backends_add(backends, specs[i].address, specs[i].weight, goes);
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

/* --- What the choice is made by ------------------------------------------------------- */

static const char *const keys[TG_BYS] = {
	[TG_BY_SOCKET] = "socket", [TG_BY_PID] = "pid",     [TG_BY_UID] = "uid",
	[TG_BY_CGROUP] = "cgroup", [TG_BY_NETNS] = "netns", [TG_BY_DESTINATION] = "destination",
};

static int parse_key(const char *key, uint32_t *number)
{
	for (uint32_t i = TG_BY_SOCKET; i < TG_BYS; i++) {
		if (!strcmp(key, keys[i])) {
			*number = i;
			return 0;
		}
	}
	return tg_fail(-EINVAL,
		       "key: \"%s\": write \"socket\", \"pid\", \"uid\", \"cgroup\", \"netns\" or "
		       "\"destination\"",
		       key);
}

static int check_sticky(const struct tg_rule *rule)
{
	if (rule->sticky_ms > TG_MAX_STICKY_MS)
		return tg_fail(-EINVAL, "sticky: %llu ms are over 30 days, the limit",
			       (unsigned long long)rule->sticky_ms);
	if (rule->sticky_ms && !rule->key)
		return tg_fail(-EINVAL, "sticky: says not who stays with a backend: write key = "
					"\"pid\", \"uid\", \"cgroup\" or another beside it");
	return 0;
}

int tg_balance_parse(const struct tg_rule *rule, struct tg_balance *balance)
{
	struct tg_balance parsed = {.sticky_ms = (uint32_t)rule->sticky_ms};
	bool hash = rule->by && !strcmp(rule->by, "hash");
	uint32_t key = TG_BY_SOCKET;
	int error = check_sticky(rule);

	if (error)
		return error;
	if (rule->by && !hash && strcmp(rule->by, "random") != 0)
		return tg_fail(-EINVAL, "by: \"%s\": write \"random\" or \"hash\"", rule->by);
	if (rule->key && !hash && !rule->sticky_ms)
		return tg_fail(-EINVAL, "key: chance has none: write by = \"hash\", or sticky, "
					"beside it");
	if (rule->key)
		error = parse_key(rule->key, &key);
	if (error)
		return error;
	parsed.by = hash ? key : TG_BY_RANDOM;
	parsed.sticky_by = parsed.sticky_ms ? key : 0;
	*balance = parsed;
	return 0;
}
