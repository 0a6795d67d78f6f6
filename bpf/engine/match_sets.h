/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * match_sets.h - of the terms that match, those that the live sets leave.
 *
 * The lookups are functions that the verifier looks at once, on their own:
 * inlined, it would continue once for each number of sets that a section can
 * have.
 */
#ifndef TG_BPF_ENGINE_MATCH_SETS_H
#define TG_BPF_ENGINE_MATCH_SETS_H

#include "bpf/engine/features.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/service_lookup.h"
#include "bpf/engine/set_lookup.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/service_layout.h"

#define TG_LIVE_SERVICE (1ull << 32)

/*
 * Whether a live table has what a call asks for: a set the address, or, with
 * TG_LIVE_SERVICE in `what`, a table of services a VIP for it.  Above 0 if it has, for a
 * VIP its place; else 0; or -TG_EFAULT.
 */
TG_GLOBAL int tg_live_has(tg_table_ref table, __u64 what, __u64 high, __u64 low)
{
	int found;

	if (TG_SERVICES && (what & TG_LIVE_SERVICE)) {
		found = tg_vip_seek(table, (__u32)what, high, low);
		return found == TG_NO_SERVICE ? 0 : found;
	}
	if (!high && low >> 32 == 0xffff)
		return tg_set_has4(table, (__u32)low);
	return tg_set_has6(table, high, low);
}

/*
 * 1 if a table has it, see tg_live_has(), else 0.  The number comes without a
 * branch: with two known numbers per set an older verifier would have a power
 * of two of ways.  Notes that a table is missing, and the place of a VIP.
 */
static __always_inline __u64 tg_table_has(struct tg_keys *keys, __u64 set, __u64 what, __u64 high,
					  __u64 low)
{
	int has = tg_live_has(TG_TABLE(keys, TG_SET_TABLE(set)), what, high, low);
	__u64 is = (__u64)has;

	if (has < 0)
		keys->failed = 1;
	TG_OPAQUE(is);
	is = -is >> 63;
	if (TG_SERVICES) {
		__u32 seen = 0 - (__u32)(is & set >> 15);

		keys->vip = (keys->vip & ~seen) | (TG_SEEN(TG_SET_TABLE(set), has) & seen);
	}
	return is;
}

/* Whether what the call asks for is in a table of the section. */
static __always_inline __u64 tg_address_in(struct tg_keys *keys, __u64 set)
{
	__u64 what = TG_VIP_WHAT(keys->port, TG_VIP_PROTO(keys->proto)) | set >> 15 << 32;
	__u64 is4 = keys->is4;

	return tg_table_has(keys, set, what, keys->addr6[0] & (is4 - 1),
			    is4 ? 0xffffull << 32 | keys->addr4 : keys->addr6[1]);
}

/* Whether a set of the section is asked about the address that the socket is bound to. */
static __always_inline int tg_set_is_own(const struct tg_section *section, __u32 i)
{
	return section->set[i] & TG_SET_IS_OWN;
}

/*
 * The sets that have the address that the socket is bound to, as bits; IPv4 is
 * v4-mapped.  They are looked up before it is known which terms are left: the
 * address is in the context, and there is no stack to carry it along.
 */
TG_GLOBAL __u32 tg_own_sets_with(const struct tg_section *section, struct tg_keys *keys, __u64 high,
				 __u64 low)
{
	__u32 sets = (__u32)tg_forget(0);

	if (!TG_OWN_SETS || !section || !keys)
		return 0;
	TG_ROLL
	for (__u32 i = 0; i < TG_SECTION_SETS && i < section->sets; i++)
		if (tg_set_is_own(section, i))
			sets |= (__u32)tg_table_has(keys, section->set[i], 0, high, low) << i;
	return sets;
}

/* 1 if a set of the section has the address that it is asked about, else 0. */
static __always_inline __u64 tg_set_matches(const struct tg_section *section, struct tg_keys *keys,
					    __u32 i)
{
	if (TG_OWN_SETS && tg_set_is_own(section, i))
		return keys->sets >> (i & 31) & 1;
	return tg_address_in(keys, section->set[i]);
}

/*
 * The matching terms of a short section whose sets match, too.  A set is looked
 * up only for a term that might decide.
 */
TG_GLOBAL __u64 tg_sets_leave(const struct tg_section *section, const struct tg_set_words *words,
			      struct tg_keys *keys, __u64 terms)
{
	if (!TG_SETS || !section || !words || !keys)
		return 0;
	TG_ROLL
	for (__u32 i = 0; i < TG_SECTION_SETS && i < section->sets; i++) {
		__u64 solid = terms & ~words->passable;
		__u64 before = (solid & -solid) - 1; /* all, if none is solid */
		__u64 in = words->in[i], out = words->out[i], has;

		if (!((in | out) & terms & before))
			continue;
		has = tg_set_matches(section, keys, i);
		terms &= ~((in & (has - 1)) | (out & -has));
	}
	return terms;
}

/* The sets of a long section that have their address, as bits. */
TG_GLOBAL __u32 tg_sets_with(const struct tg_section *section, struct tg_keys *keys)
{
	__u32 sets = 0;

	if (!TG_SETS || !section || !keys)
		return 0;
	TG_ROLL
	for (__u32 i = 0; i < TG_SECTION_SETS && i < section->sets; i++)
		sets |= (__u32)tg_set_matches(section, keys, i) << i;
	return sets;
}

/* Whether a term of a long section matches if these sets have their address: 1, 0 or -TG_EFAULT. */
static __always_inline int tg_term_admits(const struct tg_view *view,
					  const struct tg_section *section, __u32 sets, __u32 index)
{
	const struct tg_term *term = tg_row(view, (__u64)section->term_row + index);
	const struct tg_term_rest *rest;

	if (!term)
		return -TG_EFAULT;
	if (!(term->effects & TG_EFFECT_LIVE))
		return 1;
	rest = tg_row(view, term->rest_row);
	if (!rest)
		return -TG_EFAULT;
	return !((rest->in_sets & ~sets) | (rest->out_sets & sets));
}

#endif
