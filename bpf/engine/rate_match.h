/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * rate_match.h - terms that match only what exceeds a rate.
 *
 * A token bucket by the generic cell rate algorithm: one number, the time at
 * which the next call would be on time.  A call that comes so early that it
 * would empty the bucket exceeds the rate, and takes no token.  A token is taken
 * only where all else of a term matches, and no term before it decides.
 */
#ifndef TG_BPF_ENGINE_RATE_MATCH_H
#define TG_BPF_ENGINE_RATE_MATCH_H

#include "bpf/engine/set_lookup.h"
#include "bpf/engine/shadow.h"

/* A program says here, as the verifier knows it, whether there may be any. */
#ifndef TG_RATES
#define TG_RATES 1
#endif

/* Whose calls are counted together, in two numbers: `dst` is that of the destination. */
#define TG_RATE_ID(slot, per) ((__u64)(slot) << 8 | (per))

#ifdef __bpf__

#include "bpf/hook/assoc_cache.h"

static __always_inline __u64 tg_rate_value(__u64 per, __u64 dst)
{
	if (per == TG_PER_UID)
		return (__u32)bpf_get_current_uid_gid();
	if (per == TG_PER_CGROUP)
		return bpf_get_current_cgroup_id();
	if (per == TG_PER_PID)
		return bpf_get_current_pid_tgid() >> 32;
	return per == TG_PER_DST ? dst : 0;
}

/* 1: the call exceeds the rate.  0: it does not, and has taken a token. */
TG_GLOBAL int tg_rate_exceeds(__u64 id, __u64 dst, __u64 interval, __u64 window)
{
	__u64 tag, now, from, early, evicts = 0;
	struct tg_bucket *bucket;
	struct tg_rate_row *row;
	__u32 index;

	if (!TG_RATES)
		return 0;
	tag = tg_mix128(id, tg_rate_value(id & 0xff, dst), id) | 1;
	index = TG_ASSOC_ROW(tag, TG_RATE_ROWS);
	row = bpf_map_lookup_elem(&tg_rates, &index);
	if (!row)
		return 0;
	now = bpf_ktime_get_ns();
	bpf_spin_lock(&row->lock);
	/* Its own bucket; else the one that is nearest to being as good as none. */
	bucket = TG_ASSOC_ENTRY(row, tag);
	from = bucket->until_ns;
	if (bucket->tag != tag) {
		evicts = from > now;
		from = now;
		bucket->tag = tag;
	}
	early = from > now ? from - now : 0;
	if (early + interval <= window)
		bucket->until_ns = now + early + interval;
	else if (evicts)
		bucket->until_ns = now;
	bpf_spin_unlock(&row->lock);
	if (evicts)
		TG_COUNT(0, evicted);
	return early + interval > window;
}

#else

/* The simulator has no clock: what it is asked about is within every rate. */
static inline int tg_rate_exceeds(__u64 id, __u64 dst, __u64 interval, __u64 window)
{
	(void)id;
	(void)dst;
	(void)interval;
	(void)window;
	return 0;
}

#endif

/* The destination of a call, as one number. */
static __always_inline __u64 tg_rate_dst(const struct tg_keys *keys)
{
	return keys->is4 ? keys->addr4 : tg_mix128(0, keys->addr6[0], keys->addr6[1]);
}

/* In place of a rule, where none was asked yet. */
#define TG_RATE_NONE TG_RULE_DEFAULT

/*
 * Whether a call that a term matches exceeds its rate: 1, 0 or -TG_EFAULT.  Of
 * one rule a call takes one token, however many of its terms match: `asked` is
 * the rule that was asked before.
 */
static __always_inline int tg_term_exceeds(const struct tg_view *view,
					   const struct tg_section *section, __u32 index, __u64 dst,
					   __u64 *asked)
{
	const struct tg_term *term = tg_row(view, (__u64)section->term_row + index);
	const struct tg_term_rest *rest;

	if (!term)
		return -TG_EFAULT;
	if (!(term->effects & TG_EFFECT_RATE))
		return 1;
	if (term->rule == *asked)
		return 0;
	*asked = term->rule;
	rest = tg_row(view, term->rest_row);
	if (!rest)
		return -TG_EFAULT;
	return tg_rate_exceeds(TG_RATE_ID(term->slot, rest->rate_per & 0xff), dst,
			       rest->rate_interval_ns, rest->rate_window_ns);
}

/* --- At most 64 terms ------------------------------------------------------------------ */

struct tg_rating {
	struct tg_view view;
	const struct tg_section *section;
	__u64 terms;   /* that match, as far as is known */
	__u64 pending; /* whose rate is still to ask */
	__u64 shadows;
	__u64 dst;
	__u64 asked;
	__s64 error;
};

/* The next term that might decide, or be told of, and asks about a rate. */
static long tg_rating_step(__u32 step, struct tg_rating *rating)
{
	__u64 solid = rating->terms & ~(rating->shadows | rating->pending);
	__u64 before = (solid & -solid) - 1; /* all, where none is solid */
	__u64 next = rating->terms & rating->pending & before;
	int exceeds;

	(void)step;
	if (!next)
		return 1;
	next &= -next;
	rating->pending &= ~next;
	exceeds = tg_term_exceeds(&rating->view, rating->section, tg_lowest_bit(next), rating->dst,
				  &rating->asked);
	if (exceeds < 0) {
		rating->error = exceeds;
		return 1;
	}
	if (!exceeds)
		rating->terms &= ~next;
	return 0;
}

/* Of the terms of a short section that match, take out those whose rates are kept to. */
static TG_SUBPROGRAM int tg_rates_leave(const struct tg_view *view,
					const struct tg_section *section,
					const struct tg_keys *keys, __u64 *terms)
{
	const struct tg_set_words *words = tg_rows(view, section->set_row, TG_SET_WORDS_ROWS);
	struct tg_rating rating = {.view = *view,
				   .section = section,
				   .terms = *terms,
				   .dst = tg_rate_dst(keys),
				   .asked = TG_RATE_NONE};

	if (!words)
		return -TG_EFAULT;
	rating.pending = words->rated;
	rating.shadows = words->shadows;
	TG_LOOP(TG_WORD_TERMS, tg_rating_step, &rating);
	*terms = rating.terms;
	return (int)rating.error;
}

#endif
