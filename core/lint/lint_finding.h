/* SPDX-License-Identifier: MIT */
/* lint_finding.h - the text of a finding, and adding it to the others. */
#ifndef TG_LINT_LINT_FINDING_H
#define TG_LINT_LINT_FINDING_H

#include <stdio.h>

#include "lint/lint.h"

/* A stream for the text of a finding. */
struct tg_lint_text {
	char *text;
	size_t length;
	FILE *stream;
};

/* Start a text, which begins with the rule's place and name; `rule` may be NULL: the default. */
int tg_lint_begin(const struct tg_lint_rule *rule, struct tg_lint_text *text);

/* Add the finding with this text.  -ENOMEM; the text is no longer the caller's in any case. */
int tg_lint_end(struct tg_lint *lint, const struct tg_lint_rule *rule, enum tg_finding_kind kind,
		struct tg_lint_text *text);

/* Write `allow "x" (web.lua:3)`. */
void tg_lint_name(const struct tg_lint *lint, uint32_t rule, FILE *stream);

#endif
