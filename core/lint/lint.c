/* SPDX-License-Identifier: MIT */
/* lint.c - going through the rules of an image; which of them can never match. */
#include "lint/lint.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/names.h"
#include "image/image_directory.h"
#include "image/image_tables.h"

/* Words of bitsets and pieces of boxes: about a second. */
#define WORK (1ull << 30)

#define MAX_NAMED 3

/* --- Texts --------------------------------------------------------------------------- */

static int no_memory(void)
{
	return tg_fail(-ENOMEM, "out of memory: no room for a finding");
}

void tg_lint_name(const struct tg_lint *lint, uint32_t rule, FILE *stream)
{
	struct tg_rule_info info = {.size = sizeof(info)};

	if (tg_image_rule(lint->image, rule, &info))
		return;
	fprintf(stream, "%s \"%s\"", tg_verb_name((int)info.verb), info.name);
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
		fprintf(text->stream, "%s \"%s\": ", tg_verb_name((int)rule->info.verb),
			rule->info.name);
	return 0;
}

int tg_lint_end(struct tg_lint *lint, const struct tg_lint_rule *rule, enum tg_finding_kind kind,
		struct tg_lint_text *text)
{
	struct tg_finding *at;

	if (fclose(text->stream)) {
		free(text->text);
		return no_memory();
	}
	at = realloc(lint->at, (lint->count + 1) * sizeof(*at));
	if (!at) {
		free(text->text);
		return no_memory();
	}
	lint->at = at;
	at[lint->count++] = (struct tg_finding){
		.size = sizeof(*at),
		.kind = kind,
		.rule = rule ? rule->index : TG_RULE_DEFAULT,
		.text = text->text,
	};
	return 0;
}

/* --- Rules that can never match ------------------------------------------------------ */

/* Bits: the operations of a rule in which … */
struct reach {
	uint32_t nothing; /* … it holds for no call */
	uint32_t taken;   /* … earlier rules take all of its calls */
	uint32_t open;    /* … it may match */
	uint32_t covering[TG_COVER_TERMS];
	uint32_t covering_count;
};

static void add_covering(struct reach *reach, uint32_t rule)
{
	for (uint32_t i = 0; i < reach->covering_count; i++)
		if (reach->covering[i] == rule)
			return;
	if (reach->covering_count < sizeof(reach->covering) / sizeof(*reach->covering))
		reach->covering[reach->covering_count++] = rule;
}

/* Of one term and one kind of calls; bits of `op` go to the reach. */
static int term_reach(struct tg_lint *lint, int place, const struct tg_call_kind *kind,
		      uint32_t term, struct reach *reach)
{
	const struct tg_section_reader *reader = &lint->reader[place];
	uint32_t op = (uint32_t)place % TG_OPS;
	struct tg_cover cover;
	struct tg_box box;
	int error = tg_box_of_term(reader, kind, term, &box);

	if (error)
		return error;
	if (!tg_box_is_empty(&box, ~0u)) {
		error = tg_cover_ask(&lint->work, reader, &box, term, &cover);
		if (!error && cover.answer != TG_COVER_WHOLE)
			reach->open |= 1u << op;
		reach->taken |= 1u << op;
		for (uint32_t i = 0;
		     !error && cover.answer == TG_COVER_WHOLE && i < cover.covering_count; i++)
			if (reader->terms[cover.covering[i]].rule != reader->terms[term].rule)
				add_covering(reach, reader->terms[cover.covering[i]].rule);
	} else if (!tg_box_is_empty(&box, TG_COMMON_KEYS)) {
		/* Empty by a field that may be one of several of which a call has one. */
		reach->open |= 1u << op;
	}
	tg_box_free(&box);
	return error;
}

/* Of the terms of one section. */
static int place_reach(struct tg_lint *lint, const struct tg_lint_rule *rule, int place,
		       struct reach *reach)
{
	const struct tg_call_kind *kinds = tg_call_kinds(place);
	int error = 0;

	for (uint32_t term = rule->first[place]; term < rule->end[place]; term++)
		for (int i = 0; i < tg_call_kind_count(place) && !reach->open && !error; i++)
			error = term_reach(lint, place, &kinds[i], term, reach);
	return error;
}

static int op_reach(struct tg_lint *lint, const struct tg_lint_rule *rule, enum tg_op op,
		    struct reach *reach)
{
	struct reach own = {.covering_count = 0};
	int error = place_reach(lint, rule, op, &own);

	if (!error)
		error = place_reach(lint, rule, TG_OPS + (int)op, &own);
	if (error)
		return error;
	if (own.open) {
		reach->open |= 1u << op;
	} else if (own.taken) {
		reach->taken |= 1u << op;
		for (uint32_t i = 0; i < own.covering_count; i++)
			add_covering(reach, own.covering[i]);
	} else {
		reach->nothing |= 1u << op;
	}
	return 0;
}

/* Whether the sections of an operation have been read, as far as there are any. */
static bool is_known(const struct tg_lint *lint, enum tg_op op)
{
	const void *rows = lint->image->rows;

	return lint->known[op] == !!tg_image_section_row(rows, op) &&
	       lint->known[TG_OPS + op] == !!tg_image_section_row(rows, TG_OPS + (int)op);
}

static int rule_reach(struct tg_lint *lint, const struct tg_lint_rule *rule, struct reach *reach)
{
	int error = 0;

	*reach = (struct reach){0};
	for (int op = 0; op < TG_OPS && !error; op++) {
		if (!(rule->info.ops >> op & 1))
			continue;
		if (is_known(lint, (enum tg_op)op))
			error = op_reach(lint, rule, (enum tg_op)op, reach);
		else
			reach->open |= 1u << op;
	}
	return error;
}

/* `allow "a" (web.lua:1), deny "b" (web.lua:2) and 3 more before it take` */
static void write_covering(const struct tg_lint *lint, const struct reach *reach, FILE *stream)
{
	uint32_t named = reach->covering_count <= MAX_NAMED ? reach->covering_count : MAX_NAMED - 1;

	for (uint32_t i = 0; i < named; i++) {
		if (i)
			fputs(i == reach->covering_count - 1 ? " and " : ", ", stream);
		tg_lint_name(lint, reach->covering[i], stream);
	}
	if (named < reach->covering_count)
		fprintf(stream, " and %u more", reach->covering_count - named);
	fputs(reach->covering_count == 1 ? " before it takes" : " before it take", stream);
}

static void write_ops(uint32_t ops, FILE *stream)
{
	for (int op = 0, any = 0; op < TG_OPS; op++)
		if (ops >> op & 1)
			fprintf(stream, "%s%s", any++ ? " and " : "", tg_op_name(op));
}

static int report_never(struct tg_lint *lint, const struct tg_lint_rule *rule,
			const struct reach *reach)
{
	struct tg_lint_text text;
	int error = tg_lint_begin(rule, &text);

	if (error)
		return error;
	if (!reach->taken) {
		fputs("holds for no call: one of its lists is empty, or they rule each other out; "
		      "give it something to match, or take it out",
		      text.stream);
	} else if (!reach->open) {
		fputs("can never match: ", text.stream);
		write_covering(lint, reach, text.stream);
		fputs(" every call that it would; move it up, or take it out", text.stream);
	} else {
		fputs("can never match ", text.stream);
		write_ops(reach->taken, text.stream);
		fputs(": ", text.stream);
		write_covering(lint, reach, text.stream);
		fputs(" every such call; move it up, or let it speak of ", text.stream);
		write_ops(reach->open, text.stream);
		fputs(" alone", text.stream);
	}
	return tg_lint_end(lint, rule, TG_FINDING_NEVER, &text);
}

/* --- All rules ------------------------------------------------------------------------ */

/* The rule's terms in a section stand side by side, where those of the rule before end. */
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

/* Whether the rule only counts and tells, or takes only what is too much. */
static bool is_shadow(const struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	for (int place = 0; place < TG_PLACES; place++)
		if (rule->first[place] < rule->end[place])
			return lint->reader[place].terms[rule->first[place]].effects &
			       (TG_EFFECT_SHADOW | TG_EFFECT_RATE);
	return false;
}

static int check_rule(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	struct reach reach;
	uint32_t before = lint->count;
	int error = rule_reach(lint, rule, &reach);

	if (error)
		return error;
	if (!reach.open)
		return report_never(lint, rule, &reach);
	if (is_shadow(lint, rule))
		return reach.taken ? report_never(lint, rule, &reach) : 0;
	error = tg_lint_loop(lint, rule);
	if (!error)
		error = tg_lint_defeated(lint, rule);
	if (!error)
		error = tg_lint_loopback(lint, rule);
	/* Whoever is defeated knows of the allow that takes its connects. */
	for (uint32_t i = before; i < lint->count; i++)
		if (lint->at[i].kind == TG_FINDING_DEFEATED)
			return error;
	return error || !reach.taken ? error : report_never(lint, rule, &reach);
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

/* What is too large to be read back is passed over. */
static int read_sections(struct tg_lint *lint)
{
	for (int place = 0; place < TG_PLACES; place++) {
		int error;

		if (!tg_image_section_row(lint->image->rows, place))
			continue;
		error = tg_section_reader_open(lint->image, place, &lint->reader[place]);
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
		return no_memory();
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
