/* SPDX-License-Identifier: MIT */
/* blob.c - the part of an image for people and tools: the rules' names, places and texts. */
#include "compile/compile.h"

#include <string.h>

#include "base/error.h"

static size_t text_bytes(const char *text)
{
	return text && *text ? strlen(text) + 1 : 0;
}

/* All empty texts share one NUL, which is after the directory. */
static size_t blob_bytes(const struct tg_policy *policy)
{
	size_t bytes = policy->rule_count * sizeof(struct tg_rule_entry) + 1;

	bytes += text_bytes(policy->name);
	for (uint32_t i = 0; i < policy->rule_count; i++) {
		const struct tg_policy_rule *rule = &policy->rules[i];

		bytes += text_bytes(rule->name) + text_bytes(rule->where) + text_bytes(rule->text) +
			 text_bytes(rule->message);
	}
	for (uint32_t i = 0; i < policy->table_count; i++)
		bytes += text_bytes(policy->tables[i].name);
	return bytes;
}

struct blob {
	char *at;
	uint32_t empty;
	uint32_t end;
};

static uint32_t put_text(struct blob *blob, const char *text)
{
	uint32_t offset = blob->end;
	size_t bytes = text_bytes(text);

	if (!bytes)
		return blob->empty;
	memcpy(blob->at + offset, text, bytes);
	blob->end += (uint32_t)bytes;
	return offset;
}

int tg_blob_write(const struct tg_policy *policy, struct tg_rows *rows,
		  struct tg_image_about *about, uint32_t *names)
{
	size_t bytes = blob_bytes(policy);
	struct tg_rule_entry *entries;
	struct blob blob;
	int error = tg_rows_add(rows, (bytes + TG_ROW_BYTES - 1) / TG_ROW_BYTES, &about->blob_row);

	if (error)
		return tg_fail(error, "names and texts of the rules: %s", tg_error());
	blob.at = (char *)rows->at[about->blob_row];
	blob.empty = (uint32_t)(policy->rule_count * sizeof(struct tg_rule_entry));
	blob.end = blob.empty + 1;
	about->blob_bytes = (uint32_t)bytes;
	about->rules = policy->rule_count;
	about->name = put_text(&blob, policy->name);
	entries = (struct tg_rule_entry *)blob.at;
	for (uint32_t i = 0; i < policy->rule_count; i++) {
		const struct tg_policy_rule *rule = &policy->rules[i];

		entries[i] = (struct tg_rule_entry){
			.name = put_text(&blob, rule->name),
			.where = put_text(&blob, rule->where),
			.text = put_text(&blob, rule->text),
			.message = put_text(&blob, rule->message),
			.slot = TG_OP_COUNT + i,
			.ops = rule->ops,
			.verb = rule->effect.verb,
			.flags = rule->entry_flags,
		};
	}
	for (uint32_t i = 0; i < policy->table_count; i++)
		names[i] = put_text(&blob, policy->tables[i].name);
	return 0;
}
