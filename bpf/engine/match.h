/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * match.h - from a call's keys to the term that decides it.
 *
 * Each field gives a class, each class a bitset of terms; the first bit of
 * their AND is the first term that matches.  The cost depends on the fields in
 * use and, weakly, on the number of boundaries; not on the number of rules that
 * do not match.
 */
#ifndef TG_BPF_ENGINE_MATCH_H
#define TG_BPF_ENGINE_MATCH_H

#include "bpf/engine/features.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/match_many.h"
#include "bpf/engine/match_sets.h"
#include "bpf/engine/rate_match.h"
#include "bpf/engine/shadow.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

/* --- At most 64 terms: a class's bitset is one word --------------------------------- */

static __always_inline int tg_match_short(const struct tg_view *view,
					  const struct tg_section *section, struct tg_keys *keys,
					  __u64 wanted, __u64 *shadows)
{
	const __u64 *shadow;
	__u64 terms = wanted >> TG_KEY_RARE ? keys->rare : ~0ull;

	TG_UNROLL
	for (int key = 0; key < TG_KEY_RARE; key++) {
		const __u64 *word;
		int cls;

		if (!TG_ASKS(wanted, section, keys, key))
			continue;
		cls = tg_classify(view, section, keys, key);
		if (cls < 0)
			return cls;
		word = tg_word(view, (__u64)section->tree[key].bitset * 8 + (__u32)cls);
		if (!word)
			return -TG_EFAULT;
		terms &= *word;
	}
	if (TG_SETS && section->sets) {
		terms = tg_sets_leave(section, tg_rows(view, section->set_row, TG_SET_WORDS_ROWS),
				      keys, terms);
		if (keys->failed)
			return -TG_EFAULT;
	}
	if (TG_RATES && section->rated && tg_rates_leave(view, section, keys, &terms))
		return -TG_EFAULT;
	if (!TG_SHADOWS || !section->shadow_row)
		return terms ? (int)tg_lowest_bit(terms) : TG_WORD_TERMS;
	shadow = tg_shadow_word(view, section, 0);
	if (!shadow)
		return -TG_EFAULT;
	/* Bits after the last term are set if no field is asked about. */
	if (section->terms < TG_WORD_TERMS)
		terms &= (1ull << (section->terms & 63)) - 1;
	return (int)tg_first_solid(terms, *shadow, 0, shadows);
}

/* An operation's rules; *section is NULL if the image says nothing about the operation. */
static __always_inline int tg_find_section(const struct tg_view *view, enum tg_op op,
					   const struct tg_section **section)
{
	const struct tg_image_header *header = tg_row(view, 0);

	*section = 0;
	if (!header || header->magic != TG_IMAGE_MAGIC)
		return -TG_EFAULT;
	if (!header->section[op])
		return 0;
	*section = tg_rows(view, header->section[op], TG_SECTION_ROWS);
	return *section ? 0 : -TG_EFAULT;
}

/* The term that decides, and the row of the section's first term. */
struct tg_found {
	const struct tg_term *term; /* NULL: the image says nothing about the operation */
	__u64 shadows;              /* see TG_NO_SHADOWS */
	__u32 term_row;
	__u32 vip; /* TG_SEEN() */
};

/*
 * Find the term that decides: the first that matches, else the default's, which
 * is the last.  `wanted` are the fields that the program was made for: a
 * constant in the kernel.  It is 64 bits wide so that it is spilled to its own
 * stack slot: if two numbers share a slot, the verifier forgets their values.
 */
static __always_inline int tg_match(const struct tg_view *view, const struct tg_section *section,
				    struct tg_keys *keys, __u64 wanted, struct tg_found *found)
{
	__u64 shadows = TG_NO_SHADOWS;
	__u32 index;
	int first;

	TG_OPAQUE(wanted); /* else clang keeps a flag for each field on the stack */
	if (TG_MANY && section->terms > TG_WORD_TERMS) {
		if (TG_SETS && section->sets)
			keys->sets = tg_sets_with(section, keys);
		if (keys->failed)
			return -TG_EFAULT;
		first = tg_match_few(view, section, keys, wanted, &shadows);
		if (first == TG_NOT_FEW)
			first = tg_match_many(view, section, keys, wanted, &shadows);
	} else {
		first = tg_match_short(view, section, keys, wanted, &shadows);
	}
	if (first < 0)
		return first;
	index = (__u32)first < section->terms ? (__u32)first : section->terms;
	found->term = tg_row(view, (__u64)section->term_row + index);
	found->term_row = section->term_row;
	found->shadows = shadows;
	found->vip = keys->vip;
	return found->term ? 0 : -TG_EFAULT;
}

/*
 * Whether the default does not apply to a call after all: it refuses no bind to
 * port 0.  Then the kernel picks the port, as it does for a socket that was never
 * bound, which no hook sees.
 */
static __always_inline int tg_default_waives(enum tg_op op, __u32 port, const struct tg_term *term)
{
	return op == TG_OP_BIND && !port && term->rule == TG_RULE_DEFAULT &&
	       term->verb == TG_VERB_DENY;
}

/* The row of an operation's section of unix sockets; 0: the image says nothing about them. */
static __always_inline int tg_unix_section(const struct tg_view *view, enum tg_op op)
{
	const struct tg_image_header *header = tg_row(view, 0);
	const struct tg_image_about *about = tg_row(view, 1);

	if (!header || !about || header->magic != TG_IMAGE_MAGIC)
		return -TG_EFAULT;
	return (int)about->unix_section[op];
}

#endif
