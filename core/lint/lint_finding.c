/* SPDX-License-Identifier: MIT */
/* lint_finding.c - the text of a finding, and adding it to the others. */
#include "lint/lint_finding.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"

static int no_memory(void)
{
	return tg_fail(-ENOMEM, "out of memory: no room for a finding");
}

void tg_lint_name(const struct tg_lint *lint, uint32_t rule, FILE *stream)
{
	struct tg_rule_info info = {.size = sizeof(info)};

	if (tg_image_rule(lint->image, rule, &info))
		return;
	fprintf(stream, "%s \"%s\"", tg_verb_name(info.verb), info.name);
	if (*info.where)
		fprintf(stream, " (%s)", info.where);
}

int tg_lint_begin(const struct tg_lint_rule *rule, struct tg_lint_text *text)
{
	*text = (struct tg_lint_text){0};
	text->stream = open_memstream(&text->text, &text->length);
	if (!text->stream)
		return no_memory();
	if (rule && *rule->info.where)
		fprintf(text->stream, "%s: ", rule->info.where);
	if (rule)
		fprintf(text->stream, "%s \"%s\": ", tg_verb_name(rule->info.verb),
			rule->info.name);
	return 0;
}

int tg_lint_end(struct tg_lint *lint, const struct tg_lint_rule *rule, enum tg_finding_kind kind,
		struct tg_lint_text *text)
{
	int error = fclose(text->stream) ? no_memory() : 0;

	if (!error)
		error = tg_array_reserve(lint->at, lint->capacity, lint->count + 1, "findings");
	if (error) {
		free(text->text);
		return error;
	}
	lint->at[lint->count++] = (struct tg_finding){
		.size = sizeof(*lint->at),
		.kind = kind,
		.rule = rule ? rule->index : TG_RULE_DEFAULT,
		.text = text->text,
	};
	return 0;
}
