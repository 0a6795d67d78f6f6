/* SPDX-License-Identifier: MIT */
/* lint_never.c - rules that can never match. */
#include "lint/lint_never.h"

#include "lint/lint_finding.h"

#define MAX_NAMED 3

/* --- What a rule can still match ----------------------------------------------------- */

static void add_covering(struct tg_lint_reach *reach, uint32_t rule)
{
	for (uint32_t i = 0; i < reach->covering_count; i++)
		if (reach->covering[i] == rule)
			return;
	if (reach->covering_count < sizeof(reach->covering) / sizeof(*reach->covering))
		reach->covering[reach->covering_count++] = rule;
}

/* Add to the reach what one term does, for one kind of calls. */
static int term_reach(struct tg_lint *lint, int place, const struct tg_call_kind *kind,
		      uint32_t term, struct tg_lint_reach *reach)
{
	const struct tg_section_reader *reader = &lint->reader[place];
	uint32_t op = (uint32_t)place % TG_OP_COUNT;
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
		/* Empty in a field, but perhaps calls have another field in its place. */
		reach->open |= 1u << op;
	}
	tg_box_free(&box);
	return error;
}

/* Add to the reach what the rule's terms in one section do. */
static int place_reach(struct tg_lint *lint, const struct tg_lint_rule *rule, int place,
		       struct tg_lint_reach *reach)
{
	const struct tg_call_kind *kinds = tg_call_kinds(place);
	int error = 0;

	for (uint32_t term = rule->first[place]; term < rule->end[place]; term++)
		for (int i = 0; i < tg_call_kind_count(place) && !reach->open && !error; i++)
			error = term_reach(lint, place, &kinds[i], term, reach);
	return error;
}

static int op_reach(struct tg_lint *lint, const struct tg_lint_rule *rule, enum tg_op op,
		    struct tg_lint_reach *reach)
{
	struct tg_lint_reach own = {.covering_count = 0};
	int error = place_reach(lint, rule, op, &own);

	if (!error)
		error = place_reach(lint, rule, TG_OP_COUNT + (int)op, &own);
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

/* Whether all sections that the image has of an operation have been read. */
static bool is_known(const struct tg_lint *lint, enum tg_op op)
{
	const void *rows = lint->image->rows;

	return lint->known[op] == !!tg_image_section_row(rows, op) &&
	       lint->known[TG_OP_COUNT + op] == !!tg_image_section_row(rows, TG_OP_COUNT + (int)op);
}

int tg_lint_reach(struct tg_lint *lint, const struct tg_lint_rule *rule,
		  struct tg_lint_reach *reach)
{
	int error = 0;

	*reach = (struct tg_lint_reach){0};
	for (int op = 0; op < TG_OP_COUNT && !error; op++) {
		if (!(rule->info.ops >> op & 1))
			continue;
		if (is_known(lint, (enum tg_op)op))
			error = op_reach(lint, rule, (enum tg_op)op, reach);
		else
			reach->open |= 1u << op;
	}
	return error;
}

bool tg_lint_is_shadow(const struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	for (int place = 0; place < TG_PLACES; place++)
		if (rule->first[place] < rule->end[place])
			return lint->reader[place].terms[rule->first[place]].effects &
			       (TG_EFFECT_SHADOW | TG_EFFECT_RATE);
	return false;
}

/* --- Texts --------------------------------------------------------------------------- */

/* Write `allow "a" (web.lua:1), deny "b" (web.lua:2) and 3 more before it take`. */
static void write_covering(const struct tg_lint *lint, const struct tg_lint_reach *reach,
			   FILE *stream)
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
	for (int op = 0, any = 0; op < TG_OP_COUNT; op++)
		if (ops >> op & 1)
			fprintf(stream, "%s%s", any++ ? " and " : "", tg_op_name(op));
}

int tg_lint_never(struct tg_lint *lint, const struct tg_lint_rule *rule,
		  const struct tg_lint_reach *reach)
{
	struct tg_lint_text text;
	int error = tg_lint_begin(rule, &text);

	if (error)
		return error;
	if (!reach->taken) {
		fputs("matches no call: one of its lists is empty, or they exclude each other; "
		      "give it something to match, or remove it",
		      text.stream);
	} else if (!reach->open) {
		fputs("can never match: ", text.stream);
		write_covering(lint, reach, text.stream);
		fputs(" every call that it would; move it up, or remove it", text.stream);
	} else {
		fputs("can never match ", text.stream);
		write_ops(reach->taken, text.stream);
		fputs(": ", text.stream);
		write_covering(lint, reach, text.stream);
		fputs(" every such call; move it up, or restrict it to ", text.stream);
		write_ops(reach->open, text.stream);
	}
	return tg_lint_end(lint, rule, TG_FINDING_NEVER, &text);
}
