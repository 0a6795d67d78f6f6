/* SPDX-License-Identifier: MIT */
/*
 * backend_blocks.c - the backends of the rules, as blocks of an image, one after
 * the other, in the order of the rules.
 */
#include "compile/compile.h"

#include "base/error.h"
#include "table/backend_rows.h"

static uint32_t rule_rows(const struct tg_policy_rule *rule)
{
	return rule->backends.count ? tg_block_rows(rule->backends.count) : 0;
}

void tg_block_seek(const struct tg_policy *policy, uint32_t rule, struct tg_block_cursor *cursor)
{
	while (cursor->rule < rule)
		cursor->row += rule_rows(&policy->rules[cursor->rule++]);
}

bool tg_backend_blocks_any(const struct tg_policy *policy)
{
	for (uint32_t i = 0; i < policy->rule_count; i++)
		if (policy->rules[i].backends.count)
			return true;
	return false;
}

int tg_backend_blocks_write(const struct tg_policy *policy, struct tg_rows *rows,
			    struct tg_table_entry *entry)
{
	struct tg_block_cursor cursor = {0};
	int error;

	tg_block_seek(policy, policy->rule_count, &cursor);
	*entry = (struct tg_table_entry){.kind = TG_TABLE_BLOCKS, .count = cursor.row};
	error = tg_rows_add(rows, cursor.row, &entry->data_row);
	if (error)
		return tg_fail(error, "backends: %s", tg_error());
	cursor = (struct tg_block_cursor){0};
	for (uint32_t i = 0; i < policy->rule_count; i++) {
		tg_block_seek(policy, i, &cursor);
		if (policy->rules[i].backends.count)
			tg_block_write(&policy->rules[i].backends, i,
				       rows->at[entry->data_row + cursor.row]);
	}
	return 0;
}
