/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* shadow.h - terms that are told of and passed by. */
#ifndef TG_BPF_ENGINE_SHADOW_H
#define TG_BPF_ENGINE_SHADOW_H

#include "bpf/engine/keys.h"

/* A program says here, as the verifier knows it, whether there may be any. */
#ifndef TG_SHADOWS
#define TG_SHADOWS 1
#endif

/*
 * The first four shadows that match before the term that decides: 16 bits
 * each, the first one highest, TG_HEAD_NONE where there is none.  More are
 * passed by untold.
 */
#define TG_NO_SHADOWS (~0ull)

/* The shadows noted so far, and `passed` of one word of terms, whose first is `base`. */
TG_GLOBAL __u64 tg_note_shadows(__u64 shadows, __u64 passed, __u32 base)
{
	for (int i = 0; i < TG_HEAD_TERMS && passed; i++, passed &= passed - 1) {
		if (shadows >> 48 != TG_HEAD_NONE)
			break;
		shadows = shadows << 16 | (base + tg_lowest_bit(passed));
	}
	return shadows;
}

/* The shadows among the 64 terms of one word; NULL: a reference leads outside. */
static __always_inline const __u64 *tg_shadow_word(const struct tg_view *view,
						   const struct tg_section *section, __u32 word)
{
	return tg_word(view, (__u64)section->shadow_row * 8 + word);
}

/*
 * The first term of a word that decides, 64 if none does; the shadows before
 * it are noted.
 */
static __always_inline __u32 tg_first_solid(__u64 terms, __u64 shadow, __u32 base, __u64 *shadows)
{
	__u64 solid = terms & ~shadow;
	__u64 before = (solid & -solid) - 1; /* all, where none is solid */

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
