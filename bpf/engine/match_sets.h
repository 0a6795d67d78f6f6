/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * match_sets.h - which terms the live sets leave of those that match.
 *
 * The lookups are functions that the verifier looks at once, on their own: it
 * would go on once for each number of sets that a section can have.
 */
#ifndef TG_BPF_ENGINE_MATCH_SETS_H
#define TG_BPF_ENGINE_MATCH_SETS_H

#include "bpf/engine/keys.h"
#include "bpf/layout/service_layout.h"

/*
 * 1 if a table has it, see tg_live_has(), else 0: a number without a branch, of
 * two known ones an older verifier would make a power of two.  Where there is no
 * such table, that is noted, and where a VIP stands.
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

/* Whether what is asked for is in a table of the section. */
static __always_inline __u64 tg_address_in(struct tg_keys *keys, __u64 set)
{
	__u64 what = TG_VIP_WHAT(keys->port, TG_VIP_PROTO(keys->proto)) | set >> 15 << 32;
	__u64 is4 = keys->is4;

	return tg_table_has(keys, set, what, keys->addr6[0] & (is4 - 1),
			    is4 ? 0xffffull << 32 | keys->addr4 : keys->addr6[1]);
}

/* Whether a set of the section is one of addresses that sockets are bound to. */
static __always_inline int tg_set_is_own(const struct tg_section *section, __u32 i)
{
	return section->set[i] & TG_SET_IS_OWN;
}

/*
 * Those sets that have what the socket is bound to, as bits; IPv4 is v4-mapped.
 * They are looked up before it is known which terms are left: the address is
 * where the context is, and there is not the stack to carry it along.
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

/* 1 if a set of the section has its address, else 0. */
static __always_inline __u64 tg_set_matches(const struct tg_section *section, struct tg_keys *keys,
					    __u32 i)
{
	if (TG_OWN_SETS && tg_set_is_own(section, i))
		return keys->sets >> (i & 31) & 1;
	return tg_address_in(keys, section->set[i]);
}

/*
 * Of the terms of a short section that match, those whose sets have the
 * address.  A set is looked up only for a term that might decide.
 */
TG_GLOBAL __u64 tg_sets_leave(const struct tg_section *section, const struct tg_set_words *words,
			      struct tg_keys *keys, __u64 terms)
{
	if (!TG_SETS || !section || !words || !keys)
		return 0;
	TG_ROLL
	for (__u32 i = 0; i < TG_SECTION_SETS && i < section->sets; i++) {
		__u64 solid = terms & ~words->passable;
		__u64 before = (solid & -solid) - 1; /* all, where none is solid */
		__u64 in = words->in[i], out = words->out[i], has;

		if (!((in | out) & terms & before))
			continue;
		has = tg_set_matches(section, keys, i);
		terms &= ~((in & (has - 1)) | (out & -has));
	}
	return terms;
}

/* Of a long section, the sets that have their address, as bits. */
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

/* Whether a term of a long section matches where these sets have their address: 1, 0 or -TG_EFAULT.
 */
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
