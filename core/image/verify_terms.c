/* SPDX-License-Identifier: MIT */
/* verify_terms.c - whether the terms of a section are ones that a policy can have. */
#include "image/verify_terms.h"

#include <errno.h>
#include <stdbool.h>

#include "base/error.h"
#include "bpf/layout/backend_layout.h"

/* Terms of unix sockets cannot rewrite ports, bind a source or balance; their target exists. */
static bool path_term_is_good(const struct tg_section *section, const struct tg_term *term)
{
	if (term->effects & (TG_EFFECT_TO_PORT | TG_EFFECT_BIND_SOURCE) ||
	    term->verb == TG_VERB_BALANCE)
		return false;
	return !(term->effects & TG_EFFECT_TO_ADDR) || term->to_addr_be[0] < section->targets;
}

static bool term_is_good(const struct tg_verify *check, const struct tg_term *term, bool is_default)
{
	const uint32_t effects = TG_EFFECT_TO_ADDR | TG_EFFECT_TO_PORT | TG_EFFECT_REVEAL |
				 TG_EFFECT_BIND_SOURCE | TG_EFFECT_LOG | TG_EFFECT_LOW_PORT |
				 TG_EFFECT_SHADOW | TG_EFFECT_SOCKOPT | TG_EFFECT_LIVE |
				 TG_EFFECT_RATE | TG_EFFECT_STICKY | TG_EFFECT_TRIAL |
				 TG_EFFECT_ERRNO | TG_EFFECT_LOG_REFUSED;

	if (term->verb == TG_VERB_NONE || term->verb >= TG_VERB_COUNT || (term->effects & ~effects))
		return false;
	if (!(term->effects & TG_EFFECT_TRIAL) == check->shadow)
		return false;
	if ((term->verb == TG_VERB_DENY || term->verb == TG_VERB_BALANCE) && term->error == 0)
		return false;
	if ((term->effects & TG_EFFECT_ERRNO) && term->verb != TG_VERB_DENY)
		return false;
	if ((term->effects & (TG_EFFECT_LOG | TG_EFFECT_LOG_REFUSED)) && !term->log_every)
		return false;
	if ((term->effects & TG_EFFECT_STICKY) && term->verb != TG_VERB_BALANCE)
		return false;
	if (term->verb == TG_VERB_OBSERVE && !(term->effects & TG_EFFECT_SHADOW))
		return false;
	if (is_default)
		return term->rule == TG_RULE_DEFAULT && term->verb <= TG_VERB_DENY &&
		       !term->rest_row;
	return term->rule < check->rules;
}

int tg_verify_terms(struct tg_verify *check, const struct tg_section *section, bool is_unix)
{
	int error;

	if (section->terms > TG_MAX_TERMS)
		return tg_fail(-EINVAL, "damaged image: %u terms, the limit is %u", section->terms,
			       TG_MAX_TERMS);
	error = tg_verify_take(check, section->term_row, (uint64_t)section->terms + 1, "terms");
	for (uint32_t i = 0; !error && i <= section->terms; i++) {
		struct tg_term term;

		tg_verify_read(check, section->term_row + i, &term);
		if (!term_is_good(check, &term, i == section->terms) ||
		    (is_unix && !path_term_is_good(section, &term)))
			error = tg_fail(-EINVAL,
					"damaged image: the term at row %u is not one that a "
					"policy can have",
					section->term_row + i);
	}
	return error;
}

static int check_options(struct tg_verify *check, uint32_t row)
{
	struct tg_options options;
	int error = tg_verify_take(check, row, 1, "options");

	if (error)
		return error;
	tg_verify_read(check, row, &options);
	if (options.given & ~(uint32_t)TG_OPTIONS_ALL || options.device[15] ||
	    options.congestion[15])
		return tg_fail(-EINVAL,
			       "damaged image: the options at row %u are not ones that a rule can "
			       "have",
			       row);
	return 0;
}

/* Whether the rest of a term contains what the term's effects and verb require. */
static bool rest_is_good(const struct tg_section *section, const struct tg_term *term,
			 const struct tg_term_rest *rest)
{
	uint32_t sets = rest->in_sets | rest->out_sets;

	if (!(term->effects & TG_EFFECT_SOCKOPT) != !rest->options_row)
		return false;
	if (!(term->effects & TG_EFFECT_LIVE) != !sets)
		return false;
	if (!(term->effects & TG_EFFECT_RATE) != !rest->rate_interval_ns)
		return false;
	if (rest->rate_per >= TG_PERS || rest->rate_interval_ns > rest->rate_window_ns)
		return false;
	if (term->verb == TG_VERB_BALANCE && (!term->rest_row || rest->by >= TG_BYS))
		return false;
	if (!(term->effects & TG_EFFECT_STICKY) != !rest->sticky_ms || rest->sticky_by >= TG_BYS ||
	    rest->sticky_ms > TG_MAX_STICKY_MS)
		return false;
	if (rest->services && !sets)
		return false;
	return !((uint64_t)sets >> section->sets); /* which may be 32 */
}

/* Terms of one rule share rows; between them may be some that have no rest. */
int tg_verify_rests(struct tg_verify *check, const struct tg_section *section)
{
	uint32_t before = 0, options_before = 0;
	int error = 0;

	for (uint32_t i = 0; !error && i < section->terms; i++) {
		struct tg_term_rest rest = {0};
		struct tg_term term;

		tg_verify_read(check, section->term_row + i, &term);
		if (term.rest_row && term.rest_row != before)
			error = tg_verify_take(check, term.rest_row, 1, "the rest of a term");
		if (error)
			return error;
		if (term.rest_row)
			tg_verify_read(check, term.rest_row, &rest);
		if (!rest_is_good(section, &term, &rest))
			return tg_fail(-EINVAL,
				       "damaged image: the term at row %u contradicts itself",
				       section->term_row + i);
		if (rest.options_row && rest.options_row != options_before)
			error = check_options(check, rest.options_row);
		if (!term.rest_row)
			continue;
		before = term.rest_row;
		options_before = rest.options_row;
	}
	return error;
}

/* Any bits will do: nothing is looked up by them. */
int tg_verify_shadows(struct tg_verify *check, const struct tg_section *section)
{
	const uint32_t row_terms = TG_ROW_BYTES * 8;

	if (!section->shadow_row)
		return 0;
	return tg_verify_take(check, section->shadow_row,
			      (section->terms + row_terms - 1) / row_terms, "shadows");
}

/* Any guards will do, likewise.  Operations with the same rules share them. */
int tg_verify_guards(struct tg_verify *check, const struct tg_section *section)
{
	if (section->terms <= TG_WORD_TERMS)
		return 0;
	if (section->plain & ~section->keys)
		return tg_fail(-EINVAL, "damaged image: guards for fields that no term asks about");
	for (uint32_t i = 0; i < check->seen_count; i++)
		if (check->seen[i].guard_row == section->guard_row &&
		    check->seen[i].terms == section->terms)
			return 0;
	return tg_verify_take(check, section->guard_row, section->terms, "guards");
}
