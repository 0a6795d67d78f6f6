/* SPDX-License-Identifier: MIT */
/* lint.c - going through the rules of an image. */
#include "lint/lint.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "image/image_directory.h"
#include "image/image_tables.h"
#include "lint/lint_egress.h"
#include "lint/lint_loop.h"
#include "lint/lint_never.h"

/* Words of bitsets and pieces of boxes: about a second. */
#define WORK (1ull << 30)

/* The rule's terms in a section are side by side, after those of the rule before. */
static void find_terms(const struct tg_lint *lint, struct tg_lint_rule *rule)
{
	for (int place = 0; place < TG_PLACES; place++) {
		const struct tg_section_reader *reader = &lint->reader[place];

		rule->first[place] = rule->end[place];
		while (lint->known[place] && rule->end[place] < reader->section->terms &&
		       reader->terms[rule->end[place]].rule == rule->index)
			rule->end[place]++;
	}
}

static int check_rule(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	struct tg_lint_reach reach;
	uint32_t before = lint->count;
	int error = tg_lint_reach(lint, rule, &reach);

	if (error)
		return error;
	if (!reach.open)
		return tg_lint_never(lint, rule, &reach);
	if (tg_lint_is_shadow(lint, rule))
		return reach.taken ? tg_lint_never(lint, rule, &reach) : 0;
	error = tg_lint_loop(lint, rule);
	if (!error)
		error = tg_lint_defeated(lint, rule);
	if (!error)
		error = tg_lint_loopback(lint, rule);
	/* A DEFEATED finding already names the allow that takes the connects. */
	for (uint32_t i = before; i < lint->count; i++)
		if (lint->at[i].kind == TG_FINDING_DEFEATED)
			return error;
	return error || !reach.taken ? error : tg_lint_never(lint, rule, &reach);
}

static int check_rules(struct tg_lint *lint)
{
	struct tg_lint_rule rule = {.info = {.size = sizeof(rule.info)}};
	int error = 0;

	while (!error && !tg_image_rule(lint->image, rule.index, &rule.info)) {
		find_terms(lint, &rule);
		error = check_rule(lint, &rule);
		rule.index++;
	}
	return error ? error : tg_lint_default_loopback(lint);
}

/* Sections that are too large to be read back are skipped. */
static int read_sections(struct tg_lint *lint)
{
	for (int place = 0; tg_image_section_next(lint->image->rows, &place); place++) {
		int error = tg_section_reader_open(lint->image, place, &lint->reader[place]);

		if (error && error != -E2BIG)
			return error;
		lint->known[place] = !error;
	}
	return 0;
}

int tg_lint_new(const struct tg_image *image, struct tg_lint **out)
{
	struct tg_lint *lint = calloc(1, sizeof(*lint));
	int error;

	if (!lint)
		return tg_fail(-ENOMEM, "out of memory: no room for findings");
	lint->image = image;
	lint->work.left = WORK;
	lint->services = tg_image_table_of(image->rows, TG_TABLE_SERVICES, 0);
	error = tg_image_tables(image, &lint->tables);
	if (!error)
		error = read_sections(lint);
	if (!error)
		error = check_rules(lint);
	for (int place = 0; place < TG_PLACES; place++)
		if (lint->known[place])
			tg_section_reader_close(&lint->reader[place]);
	if (error)
		tg_lint_free(lint);
	else
		*out = lint;
	return error;
}

int tg_lint_finding(const struct tg_lint *lint, uint32_t index, struct tg_finding *finding)
{
	if (finding->size < sizeof(*finding))
		return tg_fail(-EINVAL, "tg_lint_finding: size is %zu, not %zu", finding->size,
			       sizeof(*finding));
	if (index >= lint->count)
		return tg_fail(-ERANGE, "there are %u findings, counted from 0", lint->count);
	*finding = lint->at[index];
	return 0;
}

void tg_lint_free(struct tg_lint *lint)
{
	if (!lint)
		return;
	for (uint32_t i = 0; i < lint->count; i++)
		free((char *)lint->at[i].text);
	free(lint->at);
	free(lint);
}
