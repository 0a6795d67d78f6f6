/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * count.h - counting decisions, and how calls end.
 *
 * The counters have per-CPU copies, one per processor up to TG_MAX_COPIES, so that
 * no two processors write to one cache line.  A processor may still switch from
 * one call to another half-way: hence the atomic additions.
 */
#ifndef TG_BPF_HOOK_COUNT_H
#define TG_BPF_HOOK_COUNT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/maps.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"

/* The copy that this call adds to: the call stays on its processor to the end. */
static __always_inline __u32 tg_cpu_copy(void)
{
	return bpf_get_smp_processor_id() & (tg_spec.copies - 1);
}

struct tg_look tg_looks[TG_MAX_COPIES];

/*
 * Reading the clock costs more than all the rest of this file, so each per-CPU
 * copy does it once a tick.  The tick is written last and read first: if it is
 * the present one, the time belongs to it.
 */
TG_GLOBAL __u64 tg_look_anew(__u32 copy, __u64 tick)
{
	struct tg_look *look = &tg_looks[copy % TG_MAX_COPIES];
	__u64 ns = TG_NOW_NS();

	TG_LOAD(look->ns) = ns;
	__sync_lock_test_and_set(&look->tick, tick);
	return ns;
}

static __always_inline __u64 tg_tick_ns(__u32 copy)
{
	const struct tg_look *look = &tg_looks[copy % TG_MAX_COPIES];
	__u64 tick = bpf_jiffies64(), seen = TG_LOAD(look->tick);

	return seen == tick ? TG_LOAD(TG_AFTER(look, seen)->ns) : tg_look_anew(copy, tick);
}

static __always_inline void tg_add_hit(__u32 copy, const struct tg_term *term)
{
	__u32 index = copy * tg_spec.slots + (term->slot & (tg_spec.slots - 1));
	struct tg_hits *hits = bpf_map_lookup_elem(&tg_hits, &index);

	if (!hits)
		return;
	__sync_fetch_and_add(&hits->count, 1);
	hits->last_ns = tg_tick_ns(copy);
}

static __always_inline struct tg_hook_totals *tg_totals_at(__u32 copy, enum tg_hook hook)
{
	__u32 index = copy * TG_HOOK_COUNT + hook;

	return bpf_map_lookup_elem(&tg_totals, &index);
}

static __always_inline void tg_add_call(__u32 copy, enum tg_hook hook, __u32 outcome)
{
	struct tg_hook_totals *totals = tg_totals_at(copy, hook);

	if (totals && outcome < TG_OUTCOMES)
		__sync_fetch_and_add(&totals->calls[outcome], 1);
}

/* Count a term that does not decide. */
static __always_inline void tg_count_shadow(const struct tg_term *term)
{
	tg_add_hit(tg_cpu_copy(), term);
}

/* Count a call that no term decided.  Each call is counted once: here, or by the next function. */
static __always_inline void tg_count_call(enum tg_hook hook, enum tg_outcome outcome)
{
	tg_add_call(tg_cpu_copy(), hook, outcome);
}

/* Count a call, and the term that decided it, unless the call had been refused before. */
static __always_inline void tg_count_decided(const struct tg_term *term, enum tg_hook hook,
					     enum tg_outcome outcome)
{
	__u32 copy = tg_cpu_copy();

	if (outcome != TG_OUTCOME_REFUSED)
		tg_add_hit(copy, term);
	tg_add_call(copy, hook, outcome);
}

/* Whether a term only says what it would do, because the whole policy is a shadow. */
static __always_inline int tg_is_trial(const struct tg_term *term)
{
	return (tg_spec.features & TG_FEATURE_TRIAL) && (term->effects & TG_EFFECT_TRIAL);
}

/* Whether a term denies, and not only says that it would. */
static __always_inline int tg_denies(const struct tg_term *term)
{
	return term->verb == TG_VERB_DENY && !tg_is_trial(term);
}

/*
 * Whether an event is emitted for a call that a term decided; `error`: of an effect, or
 * that no backend is up, or 0.
 */
static __always_inline int tg_tells(const struct tg_term *term, __u32 error)
{
	__u32 logs = TG_EFFECT_LOG | (error ? TG_EFFECT_LOG_REFUSED : 0);

	return (tg_spec.features & TG_FEATURE_LOG) && (term->effects & logs);
}

/* The outcome of a call that a term lets proceed, and that ends with `err`. */
static __always_inline enum tg_outcome tg_outcome_of(const struct tg_term *term, int err)
{
	if (err < 0)
		return TG_OUTCOME_ERROR;
	if (term->verb == TG_VERB_REWRITE || term->verb == TG_VERB_BALANCE)
		return TG_OUTCOME_REWRITTEN;
	return TG_OUTCOME_PASSED;
}

/* Add 1 to a member of a hook's totals other than calls[]. */
#define TG_COUNT(hook, member)                                                                     \
	do {                                                                                       \
		struct tg_hook_totals *totals_ = tg_totals_at(tg_cpu_copy(), hook);                \
                                                                                                   \
		if (totals_)                                                                       \
			__sync_fetch_and_add(&totals_->member, 1);                                 \
	} while (0)

#endif
