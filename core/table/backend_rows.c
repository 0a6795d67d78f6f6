/* SPDX-License-Identifier: MIT */
/* backend_rows.c - lists of backends as rows, which programs pick from. */
#include "table/backend_rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/array.h"
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

/* Others may be writing it. */
static uint64_t read_choice(const struct tg_backend_rows *rows, uint32_t index)
{
	return __atomic_load_n(choice_of(rows, index), __ATOMIC_RELAXED);
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

/* What is no backend is never picked, like one that is down. */
static uint32_t state_of(uint64_t choice)
{
	return TG_CHOICE_STATE1(choice) ? TG_CHOICE_STATE1(choice) - 1 : TG_BACKEND_DOWN;
}

void tg_backend_rows_read(const struct tg_backend_rows *rows, uint32_t index,
			  struct tg_backend_info *info)
{
	const struct tg_backend *backend = &rows->backends[index];
	uint64_t choice = read_choice(rows, index);

	*info = (struct tg_backend_info){
		.size = sizeof(*info),
		.port = ntohs(backend->port_be),
		.weight = (uint32_t)TG_CHOICE_WEIGHT(choice),
		.state = state_of(choice),
		.picked = __atomic_load_n(&backend->picked, __ATOMIC_RELAXED),
	};
	memcpy(info->addr, backend->addr_be, sizeof(info->addr));
}

int tg_backend_rows_take(const struct tg_backend_rows *rows, struct tg_backends *backends)
{
	int error = tg_array_reserve(backends->at, backends->capacity, rows->count, "backends");

	for (uint32_t i = 0; i < rows->count && !error; i++) {
		const struct tg_backend *backend = &rows->backends[i];
		struct tg_backend_place *place = &backends->at[backends->count++];
		uint64_t choice = read_choice(rows, i);

		place->port_be = backend->port_be;
		place->weight = (uint16_t)TG_CHOICE_WEIGHT(choice);
		place->state = state_of(choice);
		memcpy(place->addr_be, backend->addr_be, sizeof(place->addr_be));
	}
	return error;
}

int tg_backend_rows_give(const struct tg_backend_rows *rows, struct tg_backend_info *backends,
			 uint32_t capacity, uint32_t *count)
{
	int error = capacity ? tg_struct_check(TG_BACKEND_INFO_KIND, backends) : 0;

	if (error)
		return error;
	for (uint32_t i = 0; i < rows->count && i < capacity; i++) {
		struct tg_backend_info info;

		tg_backend_rows_read(rows, i, &info);
		tg_struct_give_at(TG_BACKEND_INFO_KIND, backends, i, &info);
	}
	if (count)
		*count = rows->count;
	return 0;
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

static bool are_inside(const struct tg_table_rows *table, uint64_t row, uint64_t count)
{
	return row + count <= table->count;
}

struct tg_backend_rows tg_list_backends(const struct tg_table_rows *table, struct tg_list_at at,
					uint32_t count)
{
	uint32_t backend_rows = (count + TG_BLOCK_BACKENDS - 1) / TG_BLOCK_BACKENDS;

	if (count > TG_MAX_BACKENDS ||
	    !are_inside(table, at.choice_row, tg_block_choice_rows(count)) ||
	    !are_inside(table, at.backend_row, backend_rows))
		return (struct tg_backend_rows){0};
	return (struct tg_backend_rows){
		.choices = (struct tg_choices *)tg_table_row(table, at.choice_row),
		.backends = (struct tg_backend *)tg_table_row(table, at.backend_row),
		.count = count,
	};
}

struct tg_backend_rows tg_block_backends(const struct tg_table_rows *table,
					 const struct tg_block *block)
{
	uint32_t row = (uint32_t)(block - (const struct tg_block *)table->rows);
	uint32_t extent = __atomic_load_n(&block->extent, __ATOMIC_RELAXED);

	return tg_list_backends(table, tg_block_at(row, extent), TG_EXTENT_BACKENDS(extent));
}

void tg_block_write(const struct tg_backends *backends, uint32_t rule, void *rows)
{
	struct tg_table_rows table = {rows, tg_block_rows(backends->count)};
	struct tg_block *block = rows;
	struct tg_backend_rows list;

	block->extent = tg_backends_extent(backends);
	block->rule = rule;
	list = tg_block_backends(&table, block);
	tg_backend_rows_write(&list, backends);
}
