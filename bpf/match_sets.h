/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * match_sets.h - which terms the live sets leave of those that match.
 */
#ifndef TG_MATCH_SETS_H
#define TG_MATCH_SETS_H

#include "fields.h"
#include "service.h"

/* Whether what is asked for is in a table of the section: 1, 0 or -TG_EFAULT. */
static __always_inline int tg_address_in(const struct tg_view *view,
					 const struct tg_section *section,
					 const struct tg_keys *keys, __u32 index)
{
	__u64 set = section->set[index], is4 = keys->is4;
	__u64 what = TG_VIP_WHAT(keys->port, TG_VIP_PROTO(keys->proto)) | set >> 15 << 32;

	(void)view;
	return tg_live_has(TG_TABLE(view, set & ~TG_SET_IS_SERVICES), what,
			   keys->addr6[0] & (is4 - 1),
			   is4 ? 0xffffull << 32 | keys->addr4 : keys->addr6[1]);
}

/*
 * Of the terms of a short section that match, take out those whose sets do not
 * have the address.  A set is looked up only for a term that might decide.
 */
static __always_inline int tg_sets_leave(const struct tg_view *view,
					 const struct tg_section *section,
					 const struct tg_keys *keys, __u64 *terms)
{
	const struct tg_set_words *words = tg_rows(view, section->set_row, TG_SET_WORDS_ROWS);

	if (!words)
		return -TG_EFAULT;
	TG_ROLL
	for (__u32 i = 0; i < TG_SECTION_SETS && i < section->sets; i++) {
		__u64 solid = *terms & ~words->passable;
		__u64 before = (solid & -solid) - 1; /* all, where none is solid */
		int has;

		if (!((words->in[i] | words->out[i]) & *terms & before))
			continue;
		has = tg_address_in(view, section, keys, i);
		if (has < 0)
			return has;
		*terms &= has ? ~words->out[i] : ~words->in[i];
	}
	return 0;
}

/* Of a long section, the sets that the address is in. */
static __always_inline int tg_sets_note(const struct tg_view *view,
					const struct tg_section *section, struct tg_keys *keys)
{
	TG_ROLL
	for (__u32 i = 0; i < TG_SECTION_SETS && i < section->sets; i++) {
		int has = tg_address_in(view, section, keys, i);

		if (has < 0)
			return has;
		keys->sets |= (__u32)has << i;
	}
	return 0;
}

/* Whether a term of a long section matches with the address in these sets: 1, 0 or -TG_EFAULT. */
static __always_inline int tg_term_admits(const struct tg_view *view,
					  const struct tg_section *section, __u32 sets, __u32 index)
{
	const struct tg_term *term = tg_row(view, (__u64)section->term_row + index);
	const struct tg_more *more;

	if (!term)
		return -TG_EFAULT;
	if (!(term->effects & TG_EFFECT_LIVE))
		return 1;
	more = tg_row(view, term->more_row);
	if (!more)
		return -TG_EFAULT;
	return !((more->in_sets & ~sets) | (more->out_sets & sets));
}

#endif
