/* SPDX-License-Identifier: MIT */
/* term_rest.c - what terms do, and ask, that has no room in their rows. */
#include <errno.h>
#include <string.h>

#include "compile/compile.h"

/*
 * The bit of a set among those of the section, which gets it where it is new;
 * `own` is 0 or TG_SET_IS_OWN.
 */
static int set_bit(const struct tg_policy *policy, enum tg_op op, uint32_t rule, const char *name,
		   uint16_t own, struct tg_section *section, uint32_t *bits)
{
	uint32_t i = 0;
	uint16_t number = (uint16_t)tg_policy_find_table(policy, name);

	if (policy->tables[number].kind == TG_TABLE_SERVICES)
		number |= TG_SET_IS_SERVICES;
	number |= own;
	while (i < section->sets && section->set[i] != number)
		i++;
	if (i == TG_SECTION_SETS)
		return tg_rule_error(
			&policy->rules[rule], -E2BIG,
			"set \"%s\": the rules of %s name more than %u live sets, which "
			"is the limit: put what they hold into fewer",
			name, tg_op_name(op), TG_SECTION_SETS);
	section->set[i] = number;
	if (i == section->sets)
		section->sets++;
	*bits |= 1u << i;
	return 0;
}

static int fill_sets(const struct tg_policy *policy, enum tg_op op, uint32_t rule,
		     const struct tg_set_use *use, uint16_t own, struct tg_section *section,
		     struct tg_term_rest *rest)
{
	int error = 0;

	if (use && use->set)
		error = set_bit(policy, op, rule, use->set, own, section, &rest->in_sets);
	for (uint32_t i = 0; use && i < use->not_count && !error; i++)
		error = set_bit(policy, op, rule, use->except[i], own, section, &rest->out_sets);
	return error;
}

static int add_options(const struct tg_options *options, struct tg_rows *rows, uint32_t *row)
{
	int error = tg_rows_add(rows, 1, row);

	if (!error)
		memcpy(rows->at[*row], options, sizeof(*options));
	return error;
}

/* A short section has what its terms say of sets and rates as words, too. */
static int write_words(struct tg_rows *rows, struct tg_section *section)
{
	const struct tg_term *terms;
	struct tg_set_words words = {0};
	int error;

	if ((!section->sets && !section->rated) || section->terms > TG_WORD_TERMS)
		return 0;
	error = tg_rows_add(rows, TG_SET_WORDS_ROWS, &section->set_row);
	if (error)
		return error;
	terms = (const struct tg_term *)rows->at[section->term_row];
	for (uint32_t i = 0; i < section->terms; i++) {
		const struct tg_term_rest *rest = (const void *)rows->at[terms[i].rest_row];

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
	memcpy(rows->at[section->set_row], &words, sizeof(words));
	return 0;
}

/* Without backends of its own a rule has those of the services that it is about. */
static void fill_balance(const struct tg_policy *policy, uint32_t rule,
			 const struct tg_set_use *use, uint32_t block, struct tg_term_rest *rest)
{
	const struct tg_balance *balance = &policy->rules[rule].balance;

	rest->by = balance->by;
	rest->sticky_by = balance->sticky_by;
	rest->sticky_ms = balance->sticky_ms;
	if (policy->rules[rule].backends.count) {
		rest->block = block;
		rest->extent = tg_backends_extent(&policy->rules[rule].backends);
	} else {
		rest->services = (uint32_t)tg_policy_find_table(policy, use->set) + 1;
	}
}

static bool has_rest(const struct tg_term *term)
{
	return term->effects & (TG_EFFECT_SET | TG_EFFECT_LIVE | TG_EFFECT_RATE) ||
	       term->verb == TG_VERB_BALANCE;
}

/* Terms of one rule stand together, and share what they have in common. */
int tg_term_rests_write(const struct tg_policy *policy, enum tg_op op, const struct tg_terms *terms,
			struct tg_rows *rows, struct tg_section *section)
{
	uint32_t rule = TG_RULE_DEFAULT, row = 0, options_row = 0;
	const struct tg_set_use *use = NULL, *own_use = NULL;
	struct tg_block_cursor cursor = {0};

	for (uint32_t i = 0; i < section->terms; i++) {
		const struct tg_term *term = &terms->at[i];
		struct tg_term_rest rest = {0};
		int error = 0;

		if (!has_rest(term))
			continue;
		section->rated += !!(term->effects & TG_EFFECT_RATE);
		if (term->rule != rule)
			options_row = 0;
		if (term->rule != rule || terms->conditions[i].use != use ||
		    terms->conditions[i].own_use != own_use) {
			rule = term->rule;
			use = terms->conditions[i].use;
			own_use = terms->conditions[i].own_use;
			error = fill_sets(policy, op, rule, use, 0, section, &rest);
			if (!error)
				error = fill_sets(policy, op, rule, own_use, TG_SET_IS_OWN, section,
						  &rest);
			if (!error)
				error = tg_rows_add(rows, 1, &row);
			if (!error && term->effects & TG_EFFECT_SET && !options_row)
				error = add_options(&policy->rules[rule].options, rows,
						    &options_row);
			if (error)
				return error;
			rest.options_row = options_row;
			rest.rate_per = policy->rules[rule].rate.per;
			rest.rate_interval_ns = policy->rules[rule].rate.interval_ns;
			rest.rate_window_ns = policy->rules[rule].rate.window_ns;
			tg_block_seek(policy, rule, &cursor);
			if (term->verb == TG_VERB_BALANCE)
				fill_balance(policy, rule, use, cursor.row, &rest);
			memcpy(rows->at[row], &rest, sizeof(rest));
		}
		((struct tg_term *)rows->at[section->term_row])[i].rest_row = row;
	}
	return write_words(rows, section);
}
