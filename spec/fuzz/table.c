/* SPDX-License-Identifier: MIT */
/*
 * table.c - the rows of a live table, which other processes may have written, and changes of it.
 *
 * The first byte says of which kind the table is, and what is done with it.
 */
#include <stdint.h>
#include <string.h>

#include "spec/c/draw.h"
#include "table/service.h"
#include "table/set.h"
#include "table/set_read.h"

#define SIZE     20
#define MOST     10000 /* elements of a walk */
#define ELEMENTS 6

static void overwrite(const struct tg_table *table, const uint8_t *data, size_t size)
{
	size_t bytes = (size_t)table->rows.count * TG_ROW_BYTES;

	memcpy(tg_table_at(table, 0), data, size < bytes ? size : bytes);
}

static struct tg_element element_of(uint32_t number)
{
	if (number % 2)
		return (struct tg_element){.low = TG_MAPPED_LO | 0x0a000000u,
					   .length = 96 + number * 5 % 33};
	return (struct tg_element){.high = 0x20010db8ull << 32, .length = number * 21 % 129};
}

static void use_set(const uint8_t *data, size_t size, uint32_t way)
{
	struct tg_element elements[ELEMENTS], found;
	struct tg_table table;
	uint64_t at = 0;

	MUST(!tg_table_make_memory(&table, tg_set_table_rows(SIZE)));
	tg_set_table_init(&table, SIZE, 0);
	overwrite(&table, data, size);
	for (uint32_t i = 0; i < ELEMENTS; i++)
		elements[i] = element_of(way + i);
	MUST(!tg_set_change(&table));
	tg_set_table_add(&table, elements, 1 + way % ELEMENTS);
	tg_set_table_remove(&table, &elements[0]);
	if (way & 8)
		tg_set_table_replace(&table, elements, way % ELEMENTS);
	tg_set_table_sweep(&table);
	tg_set_change_end(&table);
	for (uint32_t i = 0; i < MOST && tg_set_table_next(&table, &at, &found) == 1; i++)
		MUST(found.length <= 128);
	found = element_of(way);
	found.length = 128;
	tg_set_table_find(&table, &found, &elements[0]);
	tg_table_close(&table);
}

static void use_services(const uint8_t *data, size_t size, uint32_t way)
{
	struct tg_backend_place places[3] = {
		{.addr_be = {0x7f000001}, .port_be = 1, .weight = 1},
		{.addr_be = {0x7f000002}, .port_be = 2, .weight = 7},
		{.addr_be = {0x7f000003}, .port_be = 3, .weight = 2, .state = TG_BACKEND_DOWN},
	};
	const uint32_t whats[] = {TG_VIP_WHAT(80, 6), TG_VIP_WHAT(0, 6), TG_VIP_ANY};
	struct tg_backends backends = {.at = places, .count = way % 4};
	struct tg_vip_key vip = {.low = way % 8, .what = whats[way % 3]}, found;
	struct tg_backend_info infos[TG_MAX_BACKENDS] = {{.size = sizeof(*infos)}};
	struct tg_backend_rows rows;
	struct tg_table table;
	uint64_t at = 0;
	uint32_t count;

	MUST(!tg_table_make_memory(&table, tg_service_table_rows(SIZE)));
	tg_service_table_init(&table, SIZE);
	overwrite(&table, data, size);
	MUST(!tg_service_change(&table));
	tg_service_table_put(&table, &vip, &backends);
	tg_service_table_find(&table, &vip, &count);
	rows = tg_service_table_backends(&table, &vip);
	MUST(!tg_backend_rows_give(&rows, infos, TG_MAX_BACKENDS, &count));
	for (uint32_t i = 0; i < MOST && tg_service_table_next(&table, &at, &found, &count); i++)
		MUST(count <= TG_MAX_BACKENDS);
	if (way & 8)
		tg_service_table_remove(&table, &vip);
	tg_service_change_end(&table);
	tg_table_close(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		use_set(data + 1, size - 1, data[0] >> 1);
	else
		use_services(data + 1, size - 1, data[0] >> 1);
	return 0;
}
