/* SPDX-License-Identifier: MIT */
/* lint.c - going through the rules of an image. */
#include "lint/lint.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "image/image_directory.h"
#include "image/image_tables.h"
#include "lint/lint_address.h"
#include "lint/lint_device.h"
#include "lint/lint_egress.h"
#include "lint/lint_loop.h"
#include "lint/lint_name.h"
#include "lint/lint_never.h"
#include "lint/lint_port.h"
#include "lint/lint_probe.h"
#include "lint/lint_source.h"
#include "lint/lint_unseen.h"

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
	int error = tg_lint_unseen(lint, rule);

	if (error)
		return error < 0 ? error : 0;
	error = tg_lint_address(lint, rule);
	if (!error)
		error = tg_lint_reach(lint, rule, &reach);
	if (error)
		return error;
	if (!reach.open)
		return tg_lint_never(lint, rule, &reach);
	error = tg_lint_probe(lint, rule);
	if (error)
		return error;
	if (tg_lint_is_shadow(lint, rule))
		return reach.taken ? tg_lint_never(lint, rule, &reach) : 0;
	error = tg_lint_loop(lint, rule);
	if (!error)
		error = tg_lint_defeated(lint, rule);
	if (!error)
		error = tg_lint_loopback(lint, rule);
	if (!error)
		error = tg_lint_source(lint, rule);
	if (!error)
		error = tg_lint_port(lint, rule);
	if (!error)
		error = tg_lint_name_addresses(lint, rule);
	if (!error)
		error = tg_lint_device(lint, rule);
	/* A DEFEATED finding already names the allow that takes the connects. */
	for (uint32_t i = before; i < lint->count; i++)
		if (lint->at[i].kind == TG_FINDING_DEFEATED)
			return error;
	return error || !reach.taken ? error : tg_lint_never(lint, rule, &reach);
}

static int check_rules(struct tg_lint *lint)
{
	const struct tg_image_about *about = tg_image_row(lint->image->rows, 1);
	struct tg_lint_rule rule = {.info = {.size = sizeof(rule.info)}};
	int error = 0;

	for (; !error && rule.index < about->rules; rule.index++) {
		error = tg_image_rule(lint->image, rule.index, &rule.info);
		if (error)
			break;
		find_terms(lint, &rule);
		error = check_rule(lint, &rule);
	}
	if (!error)
		error = tg_lint_default_loopback(lint);
	return error ? error : tg_lint_default_bind(lint);
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
	struct tg_lint *lint;
	int error = TG_REQUIRE(image);

	if (!error)
		error = tg_require(out, __func__, "lint");
	if (error)
		return error;
	lint = calloc(1, sizeof(*lint));
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

int tg_lint_next(const struct tg_lint *lint, uint64_t *cursor, struct tg_finding *finding)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_finding, 24);
	int error = TG_REQUIRE(lint);

	if (!error)
		error = TG_REQUIRE(cursor);
	if (!error && finding)
		error = tg_struct_check(kind, finding);
	if (error || *cursor >= lint->count)
		return error;
	if (finding)
		tg_struct_give(kind, finding, &lint->at[*cursor]);
	++*cursor;
	return 1;
}

void tg_lint_free(struct tg_lint *lint)
{
	if (!lint)
		return;
	for (uint32_t i = 0; i < lint->count; i++)
		free((char *)lint->at[i].text);
	free(lint->picked);
	for (int op = 0; op < TG_OP_COUNT; op++)
		free(lint->seen[op]);
	free(lint->at);
	free(lint);
}
