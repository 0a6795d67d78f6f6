/* SPDX-License-Identifier: MIT */
/* backend_rows.c - lists of backends as rows, which programs pick from. */
#include "table/backend_rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "bpf/engine/pick.h"
#include "parse/address.h"
#include "table/alias_table.h"

static uint64_t seed_of(const struct tg_backend_place *backend)
{
	const uint8_t *addr = (const uint8_t *)backend->addr_be;

	return tg_backend_seed(tg_be64(addr), tg_be64(addr + 8), ntohs(backend->port_be));
}

uint32_t tg_backends_extent(const struct tg_backends *backends)
{
	bool differ = false;

	for (uint32_t i = 1; i < backends->count; i++)
		differ |= backends->at[i].weight != backends->at[0].weight;
	return TG_EXTENT(backends->count, differ);
}

static __u64 *choice_of(const struct tg_backend_rows *rows, uint32_t index)
{
	return &rows->choices[index / TG_BLOCK_CHOICES].choice[index % TG_BLOCK_CHOICES];
}

void tg_backend_rows_write(const struct tg_backend_rows *rows, const struct tg_backends *backends)
{
	for (uint32_t i = 0; i < backends->count; i++) {
		const struct tg_backend_place *spec = &backends->at[i];
		struct tg_backend *backend = &rows->backends[i];

		*choice_of(rows, i) = TG_CHOICE(seed_of(spec), spec->state, spec->weight);
		memcpy(backend->addr_be, spec->addr_be, sizeof(backend->addr_be));
		backend->port_be = spec->port_be;
	}
	tg_alias_table_build(backends, rows->backends);
}

void tg_backend_rows_read(const struct tg_backend_rows *rows, uint32_t index,
			  struct tg_backend_info *info)
{
	const struct tg_backend *backend = &rows->backends[index];
	uint64_t choice = *choice_of(rows, index);

	*info = (struct tg_backend_info){
		.size = sizeof(*info),
		.port = ntohs(backend->port_be),
		.weight = (uint32_t)TG_CHOICE_WEIGHT(choice),
		.state = TG_CHOICE_STATE(choice),
		.picked = __atomic_load_n(&backend->picked, __ATOMIC_RELAXED),
	};
	memcpy(info->addr, backend->addr_be, sizeof(info->addr));
}

struct tg_backend *tg_backend_rows_find(const struct tg_backend_rows *rows, uint32_t guess,
					const struct tg_backend *like)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		struct tg_backend *backend = &rows->backends[(guess + i) % rows->count];

		if (backend->port_be == like->port_be &&
		    !memcmp(backend->addr_be, like->addr_be, sizeof(like->addr_be)))
			return backend;
	}
	return NULL;
}

struct tg_backend_rows tg_block_backends(const struct tg_block *block)
{
	struct tg_list_at at = tg_block_at(0, block->extent);

	return (struct tg_backend_rows){
		.choices = (struct tg_choices *)block + at.choice_row,
		.backends = (struct tg_backend *)block + at.backend_row * TG_BLOCK_BACKENDS,
		.count = TG_EXTENT_BACKENDS(block->extent),
	};
}

void tg_block_write(const struct tg_backends *backends, uint32_t rule, void *rows)
{
	struct tg_block *block = rows;
	struct tg_backend_rows list;

	block->extent = tg_backends_extent(backends);
	block->rule = rule;
	list = tg_block_backends(block);
	tg_backend_rows_write(&list, backends);
}
