/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* shadow.h - terms that are only counted and logged: the search for one that decides goes on. */
#ifndef TG_BPF_ENGINE_SHADOW_H
#define TG_BPF_ENGINE_SHADOW_H

#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

/*
 * The first four shadows that match before the term that decides: 16 bits each,
 * the first in the highest bits, TG_HEAD_NONE for each that is missing.  Further
 * shadows are not recorded.
 */
#define TG_NO_SHADOWS (~0ull)

/* Add to `shadows` those in `passed`, a word of terms that starts with term `base`. */
TG_GLOBAL __u64 tg_note_shadows(__u64 shadows, __u64 passed, __u32 base)
{
	for (int i = 0; i < TG_HEAD_TERMS && passed; i++, passed &= passed - 1) {
		if (shadows >> 48 != TG_HEAD_NONE)
			break;
		shadows = shadows << 16 | (base + tg_lowest_bit(passed));
	}
	return shadows;
}

/* The shadows among the 64 terms of one word; NULL: a reference points outside the image. */
static __always_inline const __u64 *tg_shadow_word(const struct tg_view *view,
						   const struct tg_section *section, __u32 word)
{
	return tg_word(view, (__u64)section->shadow_row * 8 + word);
}

/* The first deciding term of a word; 64 if none decides.  Records the shadows before it. */
static __always_inline __u32 tg_first_solid(__u64 terms, __u64 shadow, __u32 base, __u64 *shadows)
{
	__u64 solid = terms & ~shadow;
	__u64 before = (solid & -solid) - 1; /* all, if none is solid */

	*shadows = tg_note_shadows(*shadows, terms & shadow & before, base);
	return solid ? tg_lowest_bit(solid) : TG_WORD_TERMS;
}

static __always_inline int tg_is_shadow(const struct tg_view *view,
					const struct tg_section *section, __u32 term)
{
	const __u64 *word;

	if (!section->shadow_row)
		return 0;
	word = tg_shadow_word(view, section, term / TG_WORD_TERMS);
	return word ? (int)(*word >> (term % TG_WORD_TERMS) & 1) : 0;
}

#endif
