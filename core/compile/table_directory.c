/* SPDX-License-Identifier: MIT */
/* table_directory.c - the live tables that a policy declares, in its image. */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "table/backend_rows.h"

static int by_vip(const void *a, const void *b)
{
	const struct tg_vip_key *x = &(*(const struct tg_policy_service *const *)a)->vip;
	const struct tg_vip_key *y = &(*(const struct tg_policy_service *const *)b)->vip;

	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->what < y->what ? -1 : x->what > y->what;
}

/* The services in the order of their VIPs, however these were spelled; NULL: out of memory. */
static const struct tg_policy_service **sort_services(const struct tg_policy_table *table)
{
	const struct tg_policy_service **sorted = calloc(table->service_count + 1, sizeof(*sorted));

	for (uint32_t i = 0; sorted && i < table->service_count; i++)
		sorted[i] = &table->services[i];
	if (sorted)
		qsort(sorted, table->service_count, sizeof(*sorted), by_vip);
	return sorted;
}

static int write_services(const struct tg_policy_table *table, struct tg_rows *rows,
			  struct tg_table_entry *entry)
{
	const struct tg_policy_service **sorted = sort_services(table);
	uint64_t count = tg_policy_service_rows(table);
	int error = sorted ? tg_rows_add(rows, count, &entry->data_row)
			   : tg_fail(-ENOMEM, "out of memory: no room to sort services");
	uint32_t row = entry->data_row;

	entry->count = table->service_count;
	entry->rows = (uint32_t)count;
	for (uint32_t i = 0; i < table->service_count && !error; i++) {
		memcpy(rows->at[row], &sorted[i]->vip, sizeof(sorted[i]->vip));
		tg_block_write(&sorted[i]->backends, 0, rows->at[row + 1]);
		row += 1 + tg_block_rows(sorted[i]->backends.count);
	}
	free(sorted);
	return error;
}

static int write_elements(const struct tg_policy_table *table, struct tg_rows *rows,
			  struct tg_table_entry *entry)
{
	size_t bytes = table->elements.count * sizeof(struct tg_element);
	int error = tg_rows_add(rows, (bytes + TG_ROW_BYTES - 1) / TG_ROW_BYTES, &entry->data_row);

	entry->count = (uint32_t)table->elements.count;
	if (!error && bytes)
		memcpy(rows->at[entry->data_row], table->elements.at, bytes);
	return error;
}

int tg_table_directory_write(const struct tg_policy *policy, const uint32_t *names,
			     struct tg_rows *rows, struct tg_image_about *about)
{
	uint32_t tables = policy->table_count + tg_backend_blocks_any(policy);
	int error = tg_rows_add(rows, tables, &about->table_row);

	about->tables = tables;
	for (uint32_t i = 0; i < policy->table_count && !error; i++) {
		const struct tg_policy_table *table = &policy->tables[i];
		struct tg_table_entry entry = {
			.kind = table->kind,
			.name = names[i],
			.size = tg_policy_table_size(table),
			.sized = table->size > 0,
			.ttl_ms = table->ttl_ms,
			.flags = table->flags,
		};

		error = table->kind == TG_TABLE_SERVICES ? write_services(table, rows, &entry)
							 : write_elements(table, rows, &entry);
		if (error)
			return tg_fail(error, "\"%s\": %s", table->name, tg_error());
		memcpy(rows->at[about->table_row + i], &entry, sizeof(entry));
	}
	if (!error && tables > policy->table_count) {
		struct tg_table_entry entry;

		error = tg_backend_blocks_write(policy, rows, &entry);
		memcpy(rows->at[about->table_row + tables - 1], &entry, sizeof(entry));
	}
	return error;
}
