/* SPDX-License-Identifier: MIT */
/* lint_name.c - names in a rule's effects that have more addresses than the rule uses. */
#include "lint/lint_name.h"

#include <stdio.h>

#include "lint/lint_finding.h"
#include "tidegate.h"

int tg_lint_name_addresses(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	const struct tg_image_about *about = tg_image_row(lint->image->rows, 1);
	const struct tg_rule_entry *entries = tg_image_row(lint->image->rows, about->blob_row);
	uint32_t flags = entries[rule->index].flags;
	struct tg_lint_text text;
	int error;

	if (!flags)
		return 0;
	error = tg_lint_begin(rule, &text);
	if (error)
		return error;
	if (flags & TG_ENTRY_TO_IS_FIRST)
		fputs("to: the name has several addresses, and all calls go to the first: write "
		      "its "
		      "address, or balance to use them all",
		      text.stream);
	if (flags == (TG_ENTRY_TO_IS_FIRST | TG_ENTRY_SOURCE_IS_FIRST))
		fputs("; ", text.stream);
	if (flags & TG_ENTRY_SOURCE_IS_FIRST)
		fputs("bind_source: the name has several addresses, and the first is taken: write "
		      "its address",
		      text.stream);
	return tg_lint_end(lint, rule, TG_FINDING_NAME, &text);
}
