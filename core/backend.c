/* SPDX-License-Identifier: MIT */
/* backend.c - lists of backends: from their texts to the rows that are picked from. */
#include "backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "effect.h"
#include "error.h"
#include "unix_path.h"

/* Mixed into the seeds, so that no address has a seed of 0. */
#define SEED 0x54494445474154ull

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
	for (uint32_t i = 0; i < backends->count; i++)
		if (backends->at[i].port_be == backend->port_be &&
		    !memcmp(backends->at[i].addr_be, backend->addr_be, sizeof(backend->addr_be)))
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

/* --- Blocks ------------------------------------------------------------------------- */

static uint64_t seed_of(const struct tg_backend_place *backend)
{
	const uint32_t *addr_be = backend->addr_be;

	return tg_mix128(SEED ^ ntohs(backend->port_be),
			 (uint64_t)ntohl(addr_be[0]) << 32 | ntohl(addr_be[1]),
			 (uint64_t)ntohl(addr_be[2]) << 32 | ntohl(addr_be[3]));
}

static bool weights_differ(const struct tg_backends *backends)
{
	for (uint32_t i = 1; i < backends->count; i++)
		if (backends->at[i].weight != backends->at[0].weight)
			return true;
	return false;
}

static struct tg_choices *choices_of(const void *rows, uint32_t index)
{
	return (struct tg_choices *)rows + 1 + index / TG_BLOCK_CHOICES;
}

struct tg_backend *tg_block_backend(void *rows, uint32_t index)
{
	const struct tg_block *block = rows;
	uint32_t first = 1 + tg_block_choice_rows(block->backends);

	return (struct tg_backend *)((char *)rows + (size_t)first * TG_ROW_BYTES) + index;
}

void tg_block_write(const struct tg_backends *backends, uint32_t rule, void *rows)
{
	struct tg_block *block = rows;

	block->backends = backends->count;
	block->weighted = weights_differ(backends);
	block->rule = rule;
	for (uint32_t i = 0; i < backends->count; i++) {
		const struct tg_backend_place *spec = &backends->at[i];
		struct tg_backend *backend = tg_block_backend(rows, i);

		choices_of(rows, i)->choice[i % TG_BLOCK_CHOICES] =
			TG_CHOICE(seed_of(spec), spec->state, spec->weight);
		memcpy(backend->addr_be, spec->addr_be, sizeof(backend->addr_be));
		backend->port_be = spec->port_be;
	}
}

void tg_block_read(const void *rows, uint32_t index, struct tg_backend_info *info)
{
	const struct tg_backend *backend = tg_block_backend((void *)rows, index);
	uint64_t choice = choices_of(rows, index)->choice[index % TG_BLOCK_CHOICES];

	*info = (struct tg_backend_info){
		.size = sizeof(*info),
		.port = ntohs(backend->port_be),
		.weight = (uint32_t)TG_CHOICE_WEIGHT(choice),
		.state = TG_CHOICE_STATE(choice),
		.picked = __atomic_load_n(&backend->picked, __ATOMIC_RELAXED),
	};
	memcpy(info->addr, backend->addr_be, sizeof(info->addr));
}

/* --- What the choice is made by ------------------------------------------------------- */

static const char *const keys[TG_BYS] = {
	[TG_BY_SOCKET] = "socket", [TG_BY_PID] = "pid",     [TG_BY_UID] = "uid",
	[TG_BY_CGROUP] = "cgroup", [TG_BY_NETNS] = "netns", [TG_BY_DESTINATION] = "destination",
};

int tg_balance_by_parse(const char *by, const char *key, uint32_t *number)
{
	if (by && strcmp(by, "random") != 0 && strcmp(by, "hash") != 0)
		return tg_fail(-EINVAL, "by: \"%s\": write \"random\" or \"hash\"", by);
	if (!by || !strcmp(by, "random")) {
		if (key)
			return tg_fail(-EINVAL,
				       "key: chance has none: write by = \"hash\" beside it");
		*number = TG_BY_RANDOM;
		return 0;
	}
	for (uint32_t i = TG_BY_SOCKET; i < TG_BYS; i++) {
		if (!key || !strcmp(key, keys[i])) {
			*number = i;
			return 0;
		}
	}
	return tg_fail(-EINVAL,
		       "key: \"%s\": write \"socket\", \"pid\", \"uid\", \"cgroup\", \"netns\" or "
		       "\"destination\"",
		       key);
}
