/* SPDX-License-Identifier: MIT */
/*
 * lint.h - what is found about a policy, for the files that share the work:
 * lint.c goes through the rules, lint_loop.c follows rewrites and balances to
 * where lint_target.c says, lint_egress.c looks at datagrams and at the loopback.
 */
#ifndef TG_LINT_LINT_H
#define TG_LINT_LINT_H

#include <stdio.h>

#include "lint/cover.h"
#include "tidegate.h"

struct tg_lint {
	const struct tg_image *image;
	struct tg_section_reader reader[TG_PLACES];
	bool known[TG_PLACES];              /* whether the section has a reading */
	const struct tg_table_rows *tables; /* the image's, as they are at first */
	bool services;                      /* there are some among them */
	struct tg_cover_work work;
	uint32_t hops; /* that lint_loop.c has followed */
	struct tg_finding *at;
	uint32_t count;
};

/* A rule, as the checks look at it. */
struct tg_lint_rule {
	uint32_t index;
	struct tg_rule_info info;
	uint32_t first[TG_PLACES], end[TG_PLACES]; /* its terms, by section */
};

/* A stream for a finding's text, which has the rule in front; tg_lint_end() appends the finding. */
struct tg_lint_text {
	char *text;
	size_t length;
	FILE *stream;
};

/* `rule` may be NULL: the default. */
int tg_lint_begin(const struct tg_lint_rule *rule, struct tg_lint_text *text);
int tg_lint_end(struct tg_lint *lint, const struct tg_lint_rule *rule, enum tg_finding_kind kind,
		struct tg_lint_text *text);

/* Write `allow "x" (web.lua:3)`. */
void tg_lint_name(const struct tg_lint *lint, uint32_t rule, FILE *stream);

/* Each looks for one kind of finding. */
int tg_lint_loop(struct tg_lint *lint, const struct tg_lint_rule *rule);
int tg_lint_defeated(struct tg_lint *lint, const struct tg_lint_rule *rule);
int tg_lint_loopback(struct tg_lint *lint, const struct tg_lint_rule *rule);

/* The same for the defaults. */
int tg_lint_default_loopback(struct tg_lint *lint);

#endif
