/* SPDX-License-Identifier: MIT */
/* lint_zero.c - the terms that hold for the value 0 of some fields. */
#include "lint/lint_zero.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "bpf/engine/tree_search.h"

/* Remove the terms for which 0, as the value of a field, does not hold. */
static int keep_zero(const struct tg_section_reader *reader, enum tg_key key, uint64_t *words,
		     uint64_t *scratch)
{
	const struct tg_tree *tree = &reader->section->tree[key];
	int cls, error;

	if (!(reader->section->keys >> key & 1))
		return 0;
	cls = TG_KEYS_128 >> key & 1 ? tg_class128(&reader->view, tree, 0, 0)
				     : tg_class32(&reader->view, tree, 0);
	if (cls < 0)
		return tg_fail_damaged();
	error = tg_section_reader_terms(reader, key, (uint32_t)cls, scratch);
	for (uint32_t i = 0; !error && i < reader->words; i++)
		words[i] &= scratch[i];
	return error;
}

/* A live set of sources does not contain 0.0.0.0 or ::. */
static bool needs_own_set(const struct tg_section_reader *reader, const struct tg_term *term)
{
	const struct tg_term_rest *rest;

	if (!(term->effects & TG_EFFECT_LIVE))
		return false;
	rest = tg_row(&reader->view, term->rest_row);
	for (uint32_t i = 0; rest && i < reader->section->sets; i++)
		if (rest->in_sets >> i & 1 && reader->section->set[i] & TG_SET_IS_OWN)
			return true;
	return false;
}

int tg_lint_hold_zero(const struct tg_section_reader *reader, uint32_t first, uint32_t end,
		      const enum tg_key *keys, uint32_t count)
{
	uint64_t *words = calloc(reader->words * 2, sizeof(*words));
	int error = words ? 0 : tg_fail(-ENOMEM, "out of memory: no room to check a rule");
	int result = 0;

	for (uint32_t i = 0; !error && i < reader->words; i++)
		words[i] = ~0ull;
	for (uint32_t i = 0; !error && i < count; i++)
		error = keep_zero(reader, keys[i], words, words + reader->words);
	for (uint32_t term = first; !error && term < end && !result; term++)
		result = words[term / 64] >> (term % 64) & 1 &&
			 !needs_own_set(reader, &reader->terms[term]);
	free(words);
	return error ? error : result;
}
