/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * match_many.h - matching in a section of more than 64 terms: if some field
 * leaves only a few terms, by these, else by the sparse bitsets of all fields.
 */
#ifndef TG_BPF_ENGINE_MATCH_MANY_H
#define TG_BPF_ENGINE_MATCH_MANY_H

#include "bpf/engine/features.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/match_sets.h"
#include "bpf/engine/rate_match.h"
#include "bpf/engine/shadow.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

/* --- Heads, guards, bitsets ---------------------------------------------------- */

static __always_inline int tg_head_lists(__u64 head)
{
	return (head & 0xffff) != TG_HEAD_BITSET;
}

/* The head of the call's class in one field; 0 if a reference leads outside the image. */
static __always_inline __u64 tg_find_head(const struct tg_view *view,
					  const struct tg_section *section,
					  const struct tg_keys *keys, enum tg_key key)
{
	int cls = tg_classify(view, section, keys, key);
	const __u64 *head;

	if (cls < 0)
		return 0;
	if (TG_SINGLES >> key & 1 && section->singles >> key & 1) {
		__u32 first = section->tree[key].classes - section->terms;

		if ((__u32)cls >= first)
			return TG_HEAD_SINGLE((__u32)cls - first);
	}
	head = tg_word(view, (__u64)section->tree[key].bitset * 8 + (__u32)cls);
	return head ? *head : 0;
}

/*
 * The word of a bitset for bit `bit` of its summary word `i`, which is set.
 * NULL: a reference leads outside the image.
 */
static __always_inline const __u64 *tg_bitset_word(const struct tg_view *view,
						   const struct tg_bitset *set, __u32 i, __u32 bit)
{
	__u64 before = set->summary[i] & ((1ull << (bit & 63)) - 1);

	return tg_word(view, (__u64)set->word + set->rank[i] + (__u64)__builtin_popcountll(before));
}

/* Whether the terms of a class include `term`: 1, 0 or -TG_EFAULT. */
static TG_SUBPROGRAM int tg_head_has(const struct tg_view *view, __u64 head, __u32 term)
{
	__u32 i = term / TG_WORD_TERMS / 64 % TG_SUMMARY_WORDS;
	__u32 bit = term / TG_WORD_TERMS % 64;
	const struct tg_bitset *set;
	const __u64 *word;

	if (tg_head_lists(head))
		return TG_HEAD_TERM(head, 0) == term || TG_HEAD_TERM(head, 1) == term ||
		       TG_HEAD_TERM(head, 2) == term || TG_HEAD_TERM(head, 3) == term;
	set = tg_row(view, TG_HEAD_ROW(head));
	if (!set)
		return -TG_EFAULT;
	if (!(set->summary[i] >> bit & 1))
		return 0;
	word = tg_bitset_word(view, set, i, bit);
	return word ? (int)(*word >> (term % TG_WORD_TERMS) & 1) : -TG_EFAULT;
}

/* The sign bit is set if `value` is not between first and last, both inclusive. */
static __always_inline __u64 tg_outside(__u64 value, __u64 first, __u64 last)
{
	TG_OPAQUE(value);
	return (value - first) | (last - value);
}

/* Whether a term's guard admits the call: the OR of sign bits, without branches. */
static __always_inline int tg_guard_admits(const struct tg_guard *guard, const struct tg_keys *keys,
					   __u64 wanted)
{
	__u64 outside = 0, proto;

	if (wanted & (1ull << TG_KEY_PORT))
		outside |= tg_outside(keys->port, guard->port_first, guard->port_last);
	if (wanted & (1ull << TG_KEY_PROTO)) {
		proto = tg_outside(keys->proto, guard->proto_first, guard->proto_last);
		outside |= proto & ~((__u64)(keys->proto ^ guard->proto_also) - 1);
	}
	if (wanted & (1ull << TG_KEY_FAMILY))
		outside |= tg_outside(keys->family, guard->family_first, guard->family_last);
	if (wanted & (1ull << TG_KEY_UID))
		outside |= tg_outside(keys->uid, guard->uid_first, guard->uid_last);
	if (wanted & (1ull << TG_KEY_GID))
		outside |= tg_outside(keys->gid, guard->gid_first, guard->gid_last);
	if (wanted & (1ull << TG_KEY_PID))
		outside |= tg_outside(keys->pid, guard->pid_first, guard->pid_last);
	return !(outside >> 63);
}

/* Whether `term` holds in all rare fields.  1, 0 or -TG_EFAULT. */
static TG_SUBPROGRAM int tg_rare_holds(const struct tg_view *view, const struct tg_section *section,
				       const struct tg_keys *keys, __u32 term)
{
	TG_ROLL
	for (int key = TG_KEY_RARE; key < TG_KEYS; key++) {
		const __u64 *head = tg_rare_word(view, section, keys, key);
		int has;

		if (!head)
			return -TG_EFAULT;
		if (!tg_rare_mask(keys, key))
			continue;
		has = tg_head_has(view, *head, term);
		if (has != 1)
			return has;
	}
	return 1;
}

/*
 * Whether `term` matches: the guard decides for the plain fields, the bitsets for
 * the others.  1, 0 or -TG_EFAULT.
 */
static __always_inline int tg_term_matches(const struct tg_view *view,
					   const struct tg_section *section,
					   const struct tg_keys *keys, __u64 wanted, __u32 term)
{
	const struct tg_guard *guard = tg_row(view, (__u64)section->guard_row + term);
	const struct tg_term *decides = tg_row(view, (__u64)section->term_row + term);

	if (!guard || !decides)
		return -TG_EFAULT;
	TG_TOUCH(decides->slot); /* most terms looked at match: so the two cache misses overlap */
	if (!tg_guard_admits(guard, keys, wanted))
		return 0;
	TG_UNROLL
	for (int key = 0; key < TG_KEY_RARE; key++) {
		__u64 head;
		int has;

		if (!TG_ASKS(wanted, section, keys, key) || section->plain & (1u << key))
			continue;
		head = tg_find_head(view, section, keys, key);
		has = head ? tg_head_has(view, head, term) : -TG_EFAULT;
		if (has != 1)
			return has;
	}
	return wanted >> TG_KEY_RARE ? tg_rare_holds(view, section, keys, term) : 1;
}

/* The head of a class of few terms, of any field, in *few; 0: all heads refer to bitsets. */
static __always_inline int tg_find_few(const struct tg_view *view, const struct tg_section *section,
				       const struct tg_keys *keys, __u64 wanted, __u64 *few)
{
	*few = wanted >> TG_KEY_RARE ? keys->rare : 0;
	if (*few)
		return 0;
	TG_UNROLL
	for (int key = 0; key < TG_KEY_RARE; key++) {
		__u64 head;

		if (!TG_ASKS(wanted, section, keys, key))
			continue;
		head = tg_find_head(view, section, keys, key);
		if (!head)
			return -TG_EFAULT;
		if (tg_head_lists(head)) {
			*few = head;
			return 0;
		}
	}
	return 0;
}

#define TG_NOT_FEW (TG_MAX_TERMS + 1)

/* The first of a few terms that matches; TG_NOT_FEW if no field leaves only a few. */
static TG_SUBPROGRAM int tg_match_few(const struct tg_view *view, const struct tg_section *section,
				      const struct tg_keys *keys, __u64 wanted, __u64 *shadows)
{
	__u32 asked = TG_RATE_ASKED(keys);
	__u64 few;
	int err = tg_find_few(view, section, keys, wanted, &few);

	if (err)
		return err;
	if (!few)
		return TG_NOT_FEW;
	for (int i = 0; i < TG_HEAD_TERMS; i++, few >>= 16) {
		__u32 term = few & 0xffff;
		int matches;

		if (term >= section->terms)
			break;
		TG_OPAQUE(wanted); /* else clang keeps a flag for each field on the stack */
		matches = tg_term_matches(view, section, keys, wanted, term);
		if (matches == 1 && TG_SETS)
			matches = tg_term_admits(view, section, keys->sets, term);
		if (matches == 1 && TG_RATES)
			matches = tg_term_exceeds(view, section, term, tg_rate_address(keys),
						  keys->netns, &asked);
		if (matches < 0)
			return matches;
		if (!matches)
			continue;
		if (!TG_SHADOWS || !tg_is_shadow(view, section, term))
			return (int)term;
		*shadows = tg_note_shadows(*shadows, 1, term);
	}
	return TG_MAX_TERMS;
}

/* Fields that one call can be asked about: one of address and path, and one of the own address. */
#define TG_ASKED 16

_Static_assert(TG_KEYS == TG_ASKED + 3, "one of ADDR4, ADDR6 and PATH, one of SOURCE4 and SOURCE6");

/* What the search through many terms carries along. */
struct tg_search {
	struct tg_view view;
	__u64 summary[TG_SUMMARY_WORDS]; /* words that every field has and that are still to try */
	__u32 row[TG_ASKED];             /* of the bitsets of the fields that are asked about */
	__u32 rows;                      /* how many */
	__s32 found;                     /* term or -TG_EFAULT */
	__u32 word;                      /* the one that `terms` are of */
	__u32 sets;                      /* as in struct tg_keys */
	__u64 terms;                     /* that match, and are still to try */
	const struct tg_section *section;
	__u64 shadows; /* noted so far */
	__u64 address; /* for tg_term_exceeds(), like the next two */
	__u32 netns;
	__u32 asked;
};

_Static_assert(TG_SUMMARY_WORDS == 4, "a step looks at four summary words");

/*
 * Look at the next term of the present word.  1 if it decides; 0 if it is passed
 * by, because it is a shadow, or because its sets or its rate do not match.
 */
static __always_inline long tg_search_term(struct tg_search *search)
{
	__u32 term = search->word * TG_WORD_TERMS + tg_lowest_bit(search->terms);
	int admits = 1;

	search->terms &= search->terms - 1;
	if (TG_SETS)
		admits = tg_term_admits(&search->view, search->section, search->sets, term);
	if (TG_RATES && admits > 0)
		admits = tg_term_exceeds(&search->view, search->section, term, search->address,
					 search->netns, &search->asked);
	if (!admits)
		return 0;
	if (admits > 0 && TG_SHADOWS && tg_is_shadow(&search->view, search->section, term)) {
		search->shadows = tg_note_shadows(search->shadows, 1, term);
		return 0;
	}
	search->found = admits < 0 ? admits : (int)term;
	return 1;
}

/* One step: the next term of the present word, or the next word.  1 if the search is over. */
static long tg_search_step(__u32 step, struct tg_search *search)
{
	__u64 s0 = search->summary[0], s1 = search->summary[1], s2 = search->summary[2];
	__u64 terms = ~0ull;
	__u32 i, bit;

	(void)step;
	if (search->terms)
		return tg_search_term(search);
	i = tg_is_zero(s0) + tg_is_zero(s0 | s1) + tg_is_zero(s0 | s1 | s2);
	i &= TG_SUMMARY_WORDS - 1;
	if (!search->summary[i])
		return 1;
	bit = tg_lowest_bit(search->summary[i]);
	search->summary[i] &= search->summary[i] - 1;
	TG_ROLL
	for (__u32 at = 0; at < TG_ASKED && at < search->rows; at++) {
		const struct tg_bitset *set = tg_row(&search->view, search->row[at]);
		const __u64 *word = set ? tg_bitset_word(&search->view, set, i, bit) : 0;

		if (!word) {
			search->found = -TG_EFAULT;
			return 1;
		}
		terms &= *word;
	}
	search->word = i * 64 + bit;
	search->terms = terms;
	return terms && !TG_SETS && !TG_SHADOWS && !TG_RATES ? tg_search_term(search) : 0;
}

/* A step for each word and for each term, at most. */
#define TG_SEARCH_STEPS (TG_MAX_TERMS / TG_WORD_TERMS + TG_MAX_TERMS)

/* Add a field to a search: the bitset of its head.  `mask` is all ones, or 0 to leave it out. */
static __always_inline int tg_search_field(const struct tg_view *view, struct tg_search *search,
					   __u64 head, __u64 mask)
{
	__u32 row = TG_HEAD_ROW(head) & (__u32)mask, at = search->rows;
	const struct tg_bitset *set = tg_row(view, row);

	if (!set)
		return -TG_EFAULT;
	search->row[at % TG_ASKED] = row;
	search->rows = at + (mask & 1);
	TG_UNROLL
	for (int i = 0; i < (int)TG_SUMMARY_WORDS; i++)
		search->summary[i] &= set->summary[i] | ~mask;
	return 0;
}

static __always_inline int tg_search_rare(const struct tg_view *view,
					  const struct tg_section *section,
					  const struct tg_keys *keys, struct tg_search *search)
{
	TG_ROLL
	for (int key = TG_KEY_RARE; key < TG_KEYS; key++) {
		const __u64 *head = tg_rare_word(view, section, keys, key);

		if (!head || tg_search_field(view, search, *head, tg_rare_mask(keys, key)))
			return -TG_EFAULT;
	}
	return 0;
}

/* If every head refers to a bitset: AND their summaries, then the words that are left. */
static TG_SUBPROGRAM int tg_match_many(const struct tg_view *view, const struct tg_section *section,
				       const struct tg_keys *keys, __u64 wanted, __u64 *shadows)
{
	/*
	 * Linux 6.1 looks at a step of bpf_loop() only once, with what it knows before the first
	 * step: a number known to be 0 then it would take for 0 ever after, and so drop the code
	 * that handles terms.
	 */
	__u64 none = TG_SETS || TG_SHADOWS || TG_RATES ? (__u64)tg_forget(0) : 0;
	struct tg_search search = {.view = *view,
				   .found = TG_MAX_TERMS,
				   .word = (__u32)none,
				   .sets = keys->sets,
				   .terms = none,
				   .section = section,
				   .rows = (__u32)tg_forget(0),
				   .shadows = *shadows,
				   .address = TG_RATES ? tg_rate_address(keys) : 0,
				   .netns = keys->netns,
				   .asked = TG_RATE_ASKED(keys)};

	TG_UNROLL
	for (int i = 0; i < (int)TG_SUMMARY_WORDS; i++)
		search.summary[i] = section->summary[i];
	TG_UNROLL
	for (int key = 0; key < TG_KEY_RARE; key++) {
		if (TG_ASKS(wanted, section, keys, key) &&
		    tg_search_field(view, &search, tg_find_head(view, section, keys, key), ~0ull))
			return -TG_EFAULT;
	}
	if (wanted >> TG_KEY_RARE && tg_search_rare(view, section, keys, &search))
		return -TG_EFAULT;
	TG_LOOP(TG_SEARCH_STEPS, tg_search_step, &search);
	*shadows = search.shadows;
	return search.found;
}

#endif
