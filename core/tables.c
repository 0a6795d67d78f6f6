/* SPDX-License-Identifier: MIT */
/* tables.c - the live tables of a policy, in its image. */
#include <string.h>

#include "compile.h"
#include "error.h"

int tg_tables_write(const struct tg_policy *policy, const uint32_t *names, struct tg_rows *rows,
		    struct tg_image_about *about)
{
	uint32_t tables = policy->table_count + tg_blocks_any(policy);
	int error = tg_rows_add(rows, tables, &about->table_row);

	about->tables = tables;
	for (uint32_t i = 0; i < policy->table_count && !error; i++) {
		const struct tg_policy_table *table = &policy->tables[i];
		size_t bytes = table->elements.count * sizeof(struct tg_element);
		struct tg_table_entry entry = {
			.kind = table->kind,
			.name = names[i],
			.size = tg_policy_table_size(table),
			.count = (uint32_t)table->elements.count,
			.ttl_ms = table->ttl_ms,
		};

		error = tg_rows_add(rows, (bytes + TG_ROW_BYTES - 1) / TG_ROW_BYTES,
				    &entry.data_row);
		if (error)
			return tg_fail(error, "set \"%s\": %s", table->name, tg_error());
		if (bytes)
			memcpy(rows->at[entry.data_row], table->elements.at, bytes);
		memcpy(rows->at[about->table_row + i], &entry, sizeof(entry));
	}
	if (!error && tables > policy->table_count) {
		struct tg_table_entry entry;

		error = tg_blocks_write(policy, rows, &entry);
		memcpy(rows->at[about->table_row + tables - 1], &entry, sizeof(entry));
	}
	return error;
}
