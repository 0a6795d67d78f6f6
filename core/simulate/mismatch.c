/* SPDX-License-Identifier: MIT */
/*
 * mismatch.c - why a rule does not match a call: a mask of the fields that differ.
 * lua/tidegate/decision.lua puts it into words.
 */
#include "simulate/mismatch.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/error.h"
#include "base/field.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/match_many.h"
#include "bpf/engine/match_sets.h"
#include "bpf/engine/tree_search.h"
#include "image/image.h"
#include "simulate/ask.h"

/* Whether the call's class of one field contains `term`: 1, 0; -EFAULT: damaged image. */
static int holds(const struct tg_view *view, const struct tg_section *section,
		 const struct tg_keys *keys, enum tg_key key, uint32_t term)
{
	int cls = tg_classify(view, section, keys, key);
	const __u64 *word;

	if (cls < 0)
		return -EFAULT;
	word = tg_word(view, (uint64_t)section->tree[key].bitset * 8 + (uint32_t)cls);
	if (!word)
		return -EFAULT;
	if (section->terms <= TG_WORD_TERMS)
		return *word >> term & 1;
	return tg_head_has(view, *word, term);
}

static bool asks(const struct tg_section *section, const struct tg_keys *keys, enum tg_key key)
{
	if (key >= TG_KEY_RARE)
		return tg_rare_mask(keys, key);
	return TG_ASKS(TG_ALL_KEYS, section, keys, key);
}

/* Bits: live sets that would have the call if it were of another protocol, because services do. */
static uint32_t sets_of_others(const struct tg_section *section, const struct tg_keys *keys)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	uint32_t found = 0;

	for (size_t i = 0; i < sizeof(protocols); i++) {
		struct tg_keys other = *keys;

		other.proto = protocols[i];
		found |= tg_sets_with(section, &other);
	}
	return found & ~keys->sets;
}

/* Add the fields whose live sets keep one term from matching. */
static int sets_mismatch(const struct tg_view *view, const struct tg_section *section,
			 const struct tg_keys *keys, uint32_t index, uint32_t *fields)
{
	const struct tg_term *term = tg_row(view, (uint64_t)section->term_row + index);
	const struct tg_term_rest *rest;
	uint32_t wrong, others;

	if (!term)
		return -EFAULT;
	if (!(term->effects & TG_EFFECT_LIVE))
		return 0;
	rest = tg_row(view, term->rest_row);
	if (!rest)
		return -EFAULT;
	wrong = (rest->in_sets & ~keys->sets) | (rest->out_sets & keys->sets);
	others = wrong ? sets_of_others(section, keys) & rest->in_sets : 0;
	for (uint32_t i = 0; i < TG_SECTION_SETS; i++) {
		if (!(wrong >> i & 1))
			continue;
		*fields |= TG_BIT(others >> i & 1             ? TG_FIELD_PROTO
				  : tg_set_is_own(section, i) ? TG_FIELD_SOURCE
							      : TG_FIELD_ENDPOINT);
	}
	return 0;
}

/* The fields that keep one term from matching. */
static int term_mismatch(const struct tg_view *view, const struct tg_section *section,
			 const struct tg_keys *keys, uint32_t term, uint32_t *fields)
{
	uint32_t found = 0;
	int error;

	for (int key = 0; key < TG_KEYS; key++) {
		int held;

		if (!asks(section, keys, (enum tg_key)key))
			continue;
		held = holds(view, section, keys, (enum tg_key)key, term);
		if (held < 0)
			return held;
		if (!held)
			found |= 1u << tg_fields[key].field;
	}
	error = sets_mismatch(view, section, keys, term, &found);
	if (error)
		return error;
	if (found & TG_BIT(TG_FIELD_ENDPOINT))
		found &= ~TG_BIT(TG_FIELD_PORT);
	else if (found & TG_BIT(TG_FIELD_PORT))
		found |= TG_BIT(TG_FIELD_ENDPOINT);
	if (!found && ((const struct tg_term *)tg_row(view, section->term_row + term))->effects &
			      TG_EFFECT_RATE)
		found = TG_MISMATCH_RATE;
	*fields = found;
	return 0;
}

/* The mismatch of a rule is that of its term with the fewest fields that do not match. */
static int rule_mismatch(const struct tg_view *view, const struct tg_section *section,
			 const struct tg_keys *keys, uint32_t rule, uint32_t *fields)
{
	uint32_t nearest = TG_BIT(TG_FIELD_ENDPOINT);
	bool any = false;

	for (uint32_t i = 0; i < section->terms; i++) {
		const struct tg_term *term = tg_row(view, (uint64_t)section->term_row + i);
		uint32_t found;

		if (!term)
			return -EFAULT;
		if (term->rule != rule)
			continue;
		if (term_mismatch(view, section, keys, i, &found))
			return -EFAULT;
		if (!any || __builtin_popcount(found) < __builtin_popcount(nearest))
			nearest = found;
		any = true;
	}
	*fields = nearest;
	return 0;
}

int tg_mismatch(const struct tg_image *image, const struct tg_table_rows *tables,
		const struct tg_query *query, uint32_t index, uint32_t *fields)
{
	struct tg_rule_info rule = {.size = sizeof(rule)};
	struct tg_asked asked;
	int error = tg_ask(image, tables, query, &asked);

	if (!error)
		error = tg_image_rule(image, index, &rule);
	if (error)
		return error;
	if (!(rule.ops >> query->op & 1) || !asked.section) {
		*fields = TG_MISMATCH_OP;
		return 0;
	}
	asked.keys.sets = tg_sets_with(asked.section, &asked.keys);
	if (asked.keys.failed ||
	    rule_mismatch(&asked.view, asked.section, &asked.keys, index, fields))
		return tg_fail_damaged();
	return 0;
}
