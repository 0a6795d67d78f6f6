/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * rate_match.h - terms that match only what exceeds a rate.
 *
 * A token bucket by the generic cell rate algorithm: one number, the time at
 * which the next call would be on time.  A call that comes so early that it
 * would empty the bucket exceeds the rate, and takes no token.  A token is taken
 * only if all else of a term matches, and no term before it decides.
 */
#ifndef TG_BPF_ENGINE_RATE_MATCH_H
#define TG_BPF_ENGINE_RATE_MATCH_H

#include "bpf/engine/hash.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

/* A rule, and whose calls it counts together (enum tg_per), in one number. */
#define TG_RATE_ID(slot, per) ((__u64)(slot) << 8 | (per))

/* 1: the call exceeds the rate.  0: it does not, and has taken a token. */
#ifdef __bpf__
/* hook/rate_bucket.h */
int tg_rate_exceeds(__u64 id, __u64 address, __u64 netns, __u64 interval, __u64 window);
#else

/* The simulator has no clock: to it every call is within every rate. */
static inline int tg_rate_exceeds(__u64 id, __u64 address, __u64 netns, __u64 interval,
				  __u64 window)
{
	(void)id;
	(void)address;
	(void)netns;
	(void)interval;
	(void)window;
	return 0;
}

#endif

/* The address that a call asks for, as one number. */
static __always_inline __u64 tg_rate_address(const struct tg_keys *keys)
{
	return keys->is4 ? keys->addr4 : tg_mix128(0, keys->addr6[0], keys->addr6[1]);
}

/* In place of a rule: none was asked yet; or none is to be asked, and the call exceeds no rate. */
#define TG_RATE_NONE        TG_RULE_DEFAULT
#define TG_RATE_ALL         (TG_RATE_NONE - 1)
#define TG_RATE_ASKED(keys) (TG_RATE_NONE - (keys)->refused)

/*
 * Whether a call that a term matches exceeds the term's rate: 1, 0 or -TG_EFAULT.
 * A call takes one token of a rule, however many of the rule's terms match:
 * *asked is the rule that was asked before.
 */
static __always_inline int tg_term_exceeds(const struct tg_view *view,
					   const struct tg_section *section, __u32 index,
					   __u64 address, __u32 netns, __u32 *asked)
{
	const struct tg_term *term = tg_row(view, (__u64)section->term_row + index);
	const struct tg_term_rest *rest;

	if (!term)
		return -TG_EFAULT;
	if (!(term->effects & TG_EFFECT_RATE))
		return 1;
	if (term->rule == *asked || *asked == TG_RATE_ALL)
		return 0;
	*asked = term->rule;
	rest = tg_row(view, term->rest_row);
	if (!rest)
		return -TG_EFAULT;
	return tg_rate_exceeds(TG_RATE_ID(term->slot, rest->rate_per & 0xff), address, netns,
			       rest->rate_interval_ns, rest->rate_window_ns);
}

/* --- At most 64 terms ------------------------------------------------------------------ */

struct tg_rating {
	struct tg_view view;
	const struct tg_section *section;
	__u64 terms;   /* that match, as far as is known */
	__u64 pending; /* those whose rate is still to be asked */
	__u64 shadows;
	__u64 address;
	__u32 netns;
	__u32 asked;
	__s64 error;
};

/* Ask the rate of the next term that has one and might decide, or be logged. */
static long tg_rating_step(__u32 step, struct tg_rating *rating)
{
	__u64 solid = rating->terms & ~(rating->shadows | rating->pending);
	__u64 before = (solid & -solid) - 1; /* all, if none is solid */
	__u64 next = rating->terms & rating->pending & before;
	int exceeds;

	(void)step;
	if (!next)
		return 1;
	next &= -next;
	rating->pending &= ~next;
	exceeds = tg_term_exceeds(&rating->view, rating->section, tg_lowest_bit(next),
				  rating->address, rating->netns, &rating->asked);
	if (exceeds < 0) {
		rating->error = exceeds;
		return 1;
	}
	if (!exceeds)
		rating->terms &= ~next;
	return 0;
}

/* Remove terms whose rates are not exceeded from the matching terms of a short section. */
static TG_SUBPROGRAM int tg_rates_leave(const struct tg_view *view,
					const struct tg_section *section,
					const struct tg_keys *keys, __u64 *terms)
{
	const struct tg_set_words *words = tg_rows(view, section->set_row, TG_SET_WORDS_ROWS);
	struct tg_rating rating = {.view = *view,
				   .section = section,
				   .terms = *terms,
				   .address = tg_rate_address(keys),
				   .netns = keys->netns,
				   .asked = TG_RATE_ASKED(keys)};

	if (!words)
		return -TG_EFAULT;
	rating.pending = words->rated;
	rating.shadows = words->shadows;
	TG_LOOP(TG_WORD_TERMS, tg_rating_step, &rating);
	*terms = rating.terms;
	return (int)rating.error;
}

#endif
