/* SPDX-License-Identifier: MIT */
/*
 * term_rest.c - what terms ask and do that does not fit into their rows.
 *
 * Neighbouring terms of one rule share a rest if they ask about the same live
 * sets, and all rests of a rule share its socket options.
 */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table/backend_rows.h"

struct writer {
	const struct tg_policy *policy;
	enum tg_op op;
	const struct tg_terms *terms;
	struct tg_rows *rows;
	struct tg_section *section;
};

/* The section's terms in the image.  Invalid after the next tg_rows_add(). */
static struct tg_term *section_terms(const struct writer *writer)
{
	return (struct tg_term *)writer->rows->at[writer->section->term_row];
}

/*
 * Set the bit of a live set, a table of the policy, among those of the section, to which it is
 * added if it is new.  `own` is 0 or TG_SET_IS_OWN.
 */
static int set_bit(const struct writer *writer, uint32_t rule, uint32_t table, uint16_t own,
		   uint32_t *bits)
{
	const struct tg_policy *policy = writer->policy;
	struct tg_section *section = writer->section;
	uint16_t number = (uint16_t)table;
	uint32_t i = 0;

	if (policy->tables[table].kind == TG_TABLE_SERVICES)
		number |= TG_SET_IS_SERVICES;
	number |= own;
	while (i < section->sets && section->set[i] != number)
		i++;
	if (i == TG_SECTION_SETS)
		return tg_rule_error(
			&policy->rules[rule], -E2BIG,
			"set \"%s\": the rules of %s name more than %u live sets, which "
			"is the limit: put what they hold into fewer",
			policy->tables[table].name, tg_op_name(writer->op), TG_SECTION_SETS);
	section->set[i] = number;
	if (i == section->sets)
		section->sets++;
	*bits |= 1u << i;
	return 0;
}

static uint32_t table_of(const struct writer *writer, const char *name)
{
	return (uint32_t)tg_policy_find_table(writer->policy, name);
}

static int by_number(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;

	return one < two ? -1 : one > two;
}

/* What is excluded comes in the order of the tables, however the rule spells it. */
static int fill_sets(const struct writer *writer, uint32_t rule, const struct tg_set_use *use,
		     uint16_t own, struct tg_term_rest *rest)
{
	uint32_t except[TG_SECTION_SETS];
	uint32_t count = use ? use->except_count : 0;
	int error = 0;

	if (use && use->set)
		error = set_bit(writer, rule, table_of(writer, use->set), own, &rest->in_sets);
	for (uint32_t i = 0; i < count; i++)
		except[i] = table_of(writer, use->except[i]);
	qsort(except, count, sizeof(*except), by_number);
	for (uint32_t i = 0; i < count && !error; i++)
		error = set_bit(writer, rule, except[i], own, &rest->out_sets);
	return error;
}

/* A short section also has, as words, what its terms say of sets and rates. */
static int write_words(const struct writer *writer)
{
	struct tg_section *section = writer->section;
	struct tg_set_words words = {0};
	const struct tg_term *terms;
	int error;

	if ((!section->sets && !section->rated) || section->terms > TG_WORD_TERMS)
		return 0;
	error = tg_rows_add(writer->rows, TG_SET_WORDS_ROWS, &section->set_row);
	if (error)
		return error;
	terms = section_terms(writer);
	for (uint32_t i = 0; i < section->terms; i++) {
		const struct tg_term_rest *rest = (const void *)writer->rows->at[terms[i].rest_row];

		if (terms[i].effects & (TG_EFFECT_LIVE | TG_EFFECT_RATE | TG_EFFECT_SHADOW))
			words.passable |= 1ull << i;
		if (terms[i].effects & TG_EFFECT_RATE)
			words.rated |= 1ull << i;
		if (terms[i].effects & TG_EFFECT_SHADOW)
			words.shadows |= 1ull << i;
		for (uint32_t k = 0; terms[i].effects & TG_EFFECT_LIVE && k < section->sets; k++) {
			words.in[k] |= (uint64_t)(rest->in_sets >> k & 1) << i;
			words.out[k] |= (uint64_t)(rest->out_sets >> k & 1) << i;
		}
	}
	memcpy(writer->rows->at[section->set_row], &words, sizeof(words));
	return 0;
}

/* A rule without its own backends uses those of the services that it names. */
static void fill_balance(const struct writer *writer, uint32_t rule, const struct tg_set_use *use,
			 uint32_t block, struct tg_term_rest *rest)
{
	const struct tg_policy_rule *from = &writer->policy->rules[rule];

	rest->by = from->balance.by;
	rest->sticky_by = from->balance.sticky_by;
	rest->sticky_ms = from->balance.sticky_ms;
	if (from->backends.count) {
		rest->block = block;
		rest->extent = tg_backends_extent(&from->backends);
	} else {
		rest->services = table_of(writer, use->set) + 1;
	}
}

static bool has_rest(const struct tg_term *term)
{
	return term->effects & (TG_EFFECT_SOCKOPT | TG_EFFECT_LIVE | TG_EFFECT_RATE) ||
	       term->verb == TG_VERB_BALANCE;
}

/* The live sets that a term asks about, as bits of its rest; the section has them from now on. */
static int ask_sets(const struct writer *writer, uint32_t index, struct tg_term_rest *rest)
{
	const struct tg_condition *condition = &writer->terms->conditions[index];
	uint32_t rule = writer->terms->at[index].rule;
	int error = fill_sets(writer, rule, condition->use, 0, rest);

	return error ? error : fill_sets(writer, rule, condition->own_use, TG_SET_IS_OWN, rest);
}

/* The options of a rule, which all of its rests share.  `*row` is 0 until they are written. */
static int write_options(const struct writer *writer, const struct tg_term *term, uint32_t *row)
{
	const struct tg_policy_rule *rule = &writer->policy->rules[term->rule];
	int error;

	if (!(term->effects & TG_EFFECT_SOCKOPT) || *row)
		return 0;
	error = tg_rows_add(writer->rows, 1, row);
	if (!error)
		memcpy(writer->rows->at[*row], &rule->options, sizeof(rule->options));
	return error;
}

/* Write the rest of a term, which asks about the sets of `rest`, and of those after it. */
static int write_rest(const struct writer *writer, uint32_t index, uint32_t block,
		      struct tg_term_rest rest, uint32_t *options_row, uint32_t *row)
{
	const struct tg_term *term = &writer->terms->at[index];
	const struct tg_policy_rule *rule = &writer->policy->rules[term->rule];
	int error = tg_rows_add(writer->rows, 1, row);

	if (!error)
		error = write_options(writer, term, options_row);
	if (error)
		return error;
	rest.rate_per = rule->rate.per;
	rest.rate_interval_ns = rule->rate.interval_ns;
	rest.rate_window_ns = rule->rate.window_ns;
	rest.options_row = *options_row;
	if (term->verb == TG_VERB_BALANCE)
		fill_balance(writer, term->rule, writer->terms->conditions[index].use, block,
			     &rest);
	memcpy(writer->rows->at[*row], &rest, sizeof(rest));
	return 0;
}

/* Write the rests of the terms [first, end), which are those of one rule. */
static int write_rule(const struct writer *writer, uint32_t first, uint32_t end, uint32_t block)
{
	struct tg_term_rest before = {0};
	uint32_t options_row = 0, row = 0;
	int error = 0;

	for (uint32_t i = first; i < end && !error; i++) {
		struct tg_term_rest rest = {0};

		if (!has_rest(&writer->terms->at[i]))
			continue;
		error = ask_sets(writer, i, &rest);
		if (!error &&
		    (!row || rest.in_sets != before.in_sets || rest.out_sets != before.out_sets))
			error = write_rest(writer, i, block, rest, &options_row, &row);
		before = rest;
		section_terms(writer)[i].rest_row = row;
	}
	return error;
}

int tg_term_rests_write(const struct tg_policy *policy, enum tg_op op, const struct tg_terms *terms,
			struct tg_rows *rows, struct tg_section *section)
{
	const struct writer writer = {policy, op, terms, rows, section};
	struct tg_block_cursor cursor = {0};
	int error = 0;

	for (uint32_t first = 0, end; first < terms->count && !error; first = end) {
		uint32_t rule = terms->at[first].rule;

		for (end = first; end < terms->count && terms->at[end].rule == rule; end++)
			section->rated += !!(terms->at[end].effects & TG_EFFECT_RATE);
		tg_block_seek(policy, rule, &cursor);
		error = write_rule(&writer, first, end, cursor.row);
	}
	return error ? error : write_words(&writer);
}
