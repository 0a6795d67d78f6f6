/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * match.h - from a call's keys to the term that decides it.
 *
 * Each field gives a class, each class a bitset of terms; the first bit of
 * their AND is the first term that matches.  Cost depends on the fields in use
 * and, weakly, on the number of boundaries; not on the number of rules that do
 * not match.
 */
#ifndef TG_MATCH_H
#define TG_MATCH_H

#include "walk.h"

/*
 * A call as the fields see it.  Host order.
 *
 * Of the rare fields it carries the classes alone, found as the values are
 * read, and what follows from them: there is not the stack for more, and the
 * verifier would go each way at each field.  See tg_take_rare().
 */
struct tg_keys {
	__u64 addr6[2]; /* high, low */
	__u64 comm[2];  /* high, low: big-endian text */
	__u32 addr4;
	__u32 is4; /* the address is IPv4 or v4-mapped: addr4, else addr6 */
	__u32 port;
	__u32 proto;
	__u32 family;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 path;      /* its rank */
	__u32 rare_used; /* bits, from 1 for TG_KEY_RARE on: rare fields that are asked */
	__u64 rare; /* at most 64 terms: those that all rare fields leave; more: a head of few */
	__u16 rare_class[TG_KEYS - TG_KEY_RARE];
};

/* Fields whose trees may be there, as the verifier knows them; see spec.h. */
#define TG_USES(wanted, section, key) (((wanted) & (section)->keys) & (1ull << (key)))

/* The class of one field, or -TG_EFAULT.  `key` is a constant. */
static __always_inline int tg_classify(const struct tg_view *view, const struct tg_section *section,
				       const struct tg_keys *keys, enum tg_key key)
{
	const struct tg_tree *tree = &section->tree[key];

	switch (key) {
	case TG_KEY_ADDR4:
		return tg_class32(view, tree, keys->addr4);
	case TG_KEY_ADDR6:
		return tg_class128(view, tree, keys->addr6[0], keys->addr6[1]);
	case TG_KEY_PORT:
		return tg_class32(view, tree, keys->port);
	case TG_KEY_PROTO:
		return tg_class32(view, tree, keys->proto);
	case TG_KEY_FAMILY:
		return tg_class32(view, tree, keys->family);
	case TG_KEY_UID:
		return tg_class32(view, tree, keys->uid);
	case TG_KEY_GID:
		return tg_class32(view, tree, keys->gid);
	case TG_KEY_PID:
		return tg_class32(view, tree, keys->pid);
	case TG_KEY_COMM:
		return tg_class128(view, tree, keys->comm[0], keys->comm[1]);
	case TG_KEY_PATH:
		return tg_class32(view, tree, keys->path);
	default:
		return keys->rare_class[key - TG_KEY_RARE];
	}
}

/* Whether a field in use speaks of this call: one of the two address fields does not. */
static __always_inline int tg_applies(const struct tg_keys *keys, enum tg_key key)
{
	return key == TG_KEY_ADDR4 ? keys->is4 : key == TG_KEY_ADDR6 ? !keys->is4 : 1;
}

/* Whether a key is in use and speaks of this call; `key` is a constant. */
#define TG_ASKS(wanted, section, keys, key) (TG_USES(wanted, section, key) && tg_applies(keys, key))

/* --- Rare fields ------------------------------------------------------------------- */

/* All ones where a rare field is asked, else 0. */
static __always_inline __u64 tg_rare_mask(const struct tg_keys *keys, int key)
{
	return -(__u64)(keys->rare_used >> (key - TG_KEY_RARE) & 1);
}

static __always_inline const __u64 *tg_rare_word(const struct tg_view *view,
						 const struct tg_section *section,
						 const struct tg_keys *keys, int key)
{
	return tg_word(view,
		       (__u64)section->tree[key].bitset * 8 + keys->rare_class[key - TG_KEY_RARE]);
}

/* What is known before the first rare field is. */
static __always_inline void tg_start_rare(const struct tg_section *section, struct tg_keys *keys)
{
	keys->rare_used = section->keys >> TG_KEY_RARE;
	keys->rare = section->terms > TG_WORD_TERMS ? 0 : ~0ull;
}

/* Of the two fields of the own address, ask the one that speaks of it. */
static __always_inline void tg_ask_own(struct tg_keys *keys, __u32 is4)
{
	keys->rare_used &= ~(1u << (TG_KEY_FROM4 - TG_KEY_RARE) << !!is4);
}

/*
 * Take the class of a rare field.  With at most 64 terms what matters is the
 * AND of their words; with more, whether some class leaves only few terms.  A
 * field that this section does not ask about changes nothing: its tree is all
 * zeros, which leads to the first rows of the image, whatever they say.
 */
static __always_inline int tg_take_rare(const struct tg_view *view,
					const struct tg_section *section, int many,
					struct tg_keys *keys, int key, int class)
{
	__u64 mask = tg_rare_mask(keys, key);
	const __u64 *word;
	__u64 take;

	if (class < 0)
		return -TG_EFAULT;
	keys->rare_class[key - TG_KEY_RARE] = (__u16)((__u64) class & mask);
	word = tg_rare_word(view, section, keys, key);
	if (!word)
		return -TG_EFAULT;
	if (many && section->terms > TG_WORD_TERMS) {
		take = -(__u64)(tg_is_zero(keys->rare) &
				!tg_is_zero((*word & 0xffff) ^ TG_HEAD_BITSET));
		keys->rare |= *word & take & mask;
	} else {
		keys->rare &= *word | ~mask;
	}
	return 0;
}

/* --- Shadows: terms that are told of and passed by ----------------------------------- */

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

/* --- At most 64 terms: a class's bitset is one word --------------------------------- */

static __always_inline int tg_match_short(const struct tg_view *view,
					  const struct tg_section *section,
					  const struct tg_keys *keys, __u64 wanted, __u64 *shadows)
{
	const __u64 *shadow;
	__u64 terms = wanted >> TG_KEY_RARE ? keys->rare : ~0ull;

	TG_UNROLL
	for (int key = 0; key < TG_KEY_RARE; key++) {
		const __u64 *word;
		int class;

		if (!TG_ASKS(wanted, section, keys, key))
			continue;
		class = tg_classify(view, section, keys, key);
		if (class < 0)
			return class;
		word = tg_word(view, (__u64)section->tree[key].bitset * 8 + (__u32) class);
		if (!word)
			return -TG_EFAULT;
		terms &= *word;
	}
	if (!TG_SHADOWS || !section->shadow_row)
		return terms ? (int)tg_lowest_bit(terms) : TG_WORD_TERMS;
	shadow = tg_shadow_word(view, section, 0);
	if (!shadow)
		return -TG_EFAULT;
	/* Bits behind the last term are set where no field is asked. */
	if (section->terms < TG_WORD_TERMS)
		terms &= (1ull << (section->terms & 63)) - 1;
	return (int)tg_first_solid(terms, *shadow, 0, shadows);
}

/* --- More: heads, guards, bitsets ---------------------------------------------------- */

static __always_inline int tg_head_lists(__u64 head)
{
	return (head & 0xffff) != TG_HEAD_BITSET;
}

/* The head of the call's class in one field; 0 where the image leads outside itself. */
static __always_inline __u64 tg_find_head(const struct tg_view *view,
					  const struct tg_section *section,
					  const struct tg_keys *keys, enum tg_key key)
{
	int class = tg_classify(view, section, keys, key);
	const __u64 *head;

	if (class < 0)
		return 0;
	head = tg_word(view, (__u64)section->tree[key].bitset * 8 + (__u32) class);
	return head ? *head : 0;
}

/* Word `bit` of summary word `i` of one bitset, which has it; NULL: a reference leads outside. */
static __always_inline const __u64 *tg_bitset_word(const struct tg_view *view,
						   const struct tg_bitset *set, __u32 i, __u32 bit)
{
	__u64 before = set->summary[i] & ((1ull << (bit & 63)) - 1);

	return tg_word(view, (__u64)set->word + set->rank[i] + (__u64)__builtin_popcountll(before));
}

/* Whether a class's terms include `term`: 1, 0 or -TG_EFAULT. */
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

/* The sign is set where `value` is not from first to last. */
static __always_inline __u64 tg_outside(__u64 value, __u64 first, __u64 last)
{
	TG_OPAQUE(value);
	return (value - first) | (last - value);
}

/* Whether a term's guard lets the call through: a sum of signs, without branches. */
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
 * Whether `term` matches: by its guard in the plain fields, by their own
 * bitsets in the others.  1, 0 or -TG_EFAULT.
 */
static __always_inline int tg_term_matches(const struct tg_view *view,
					   const struct tg_section *section,
					   const struct tg_keys *keys, __u64 wanted, __u32 term)
{
	const struct tg_guard *guard = tg_row(view, (__u64)section->guard_row + term);

	if (!guard)
		return -TG_EFAULT;
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

/* A class that few terms hold for, of any field; 0: there is none, all heads are bitsets'. */
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

static __always_inline int tg_is_shadow(const struct tg_view *view,
					const struct tg_section *section, __u32 term)
{
	const __u64 *word;

	if (!section->shadow_row)
		return 0;
	word = tg_shadow_word(view, section, term / TG_WORD_TERMS);
	return word ? (int)(*word >> (term % TG_WORD_TERMS) & 1) : 0;
}

/* The first of a few terms that matches; TG_NOT_FEW where no field leaves only a few. */
static TG_SUBPROGRAM int tg_match_few(const struct tg_view *view, const struct tg_section *section,
				      const struct tg_keys *keys, __u64 wanted, __u64 *shadows)
{
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
		matches = tg_term_matches(view, section, keys, wanted, term);
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

/* What the search through many terms carries along. */
struct tg_search {
	struct tg_view view;
	__u64 summary[TG_SUMMARY_WORDS]; /* words that every field has and that are still to try */
	__u32 row[TG_KEYS];              /* of the field's bitset; 0: the field is not asked */
	__s32 found;                     /* term or -TG_EFAULT */
	__u32 shadow_row;
	__u64 shadows; /* noted so far */
};

_Static_assert(TG_SUMMARY_WORDS == 4, "a step looks at four summary words");

/* Terms that match, all of one word.  1 where one of them decides. */
static __always_inline long tg_search_word(struct tg_search *search, __u32 word, __u64 terms)
{
	const __u64 *shadow;
	__u32 first;

	if (!TG_SHADOWS || !search->shadow_row) {
		search->found = word * TG_WORD_TERMS + tg_lowest_bit(terms);
		return 1;
	}
	shadow = tg_word(&search->view, (__u64)search->shadow_row * 8 + word);
	if (!shadow) {
		search->found = -TG_EFAULT;
		return 1;
	}
	first = tg_first_solid(terms, *shadow, word * TG_WORD_TERMS, &search->shadows);
	if (first == TG_WORD_TERMS)
		return 0;
	search->found = word * TG_WORD_TERMS + first;
	return 1;
}

/* One step: the first word still to try.  1 where the search is over. */
static long tg_search_step(__u32 step, struct tg_search *search)
{
	__u64 s0 = search->summary[0], s1 = search->summary[1], s2 = search->summary[2];
	__u64 terms = ~0ull;
	__u32 i, bit;

	(void)step;
	i = tg_is_zero(s0) + tg_is_zero(s0 | s1) + tg_is_zero(s0 | s1 | s2);
	i &= TG_SUMMARY_WORDS - 1;
	if (!search->summary[i])
		return 1;
	bit = tg_lowest_bit(search->summary[i]);
	search->summary[i] &= search->summary[i] - 1;
	for (int key = 0; key < TG_KEYS; key++) {
		const struct tg_bitset *set;
		const __u64 *word;

		if (!search->row[key])
			continue;
		set = tg_row(&search->view, search->row[key]);
		word = set ? tg_bitset_word(&search->view, set, i, bit) : 0;
		if (!word) {
			search->found = -TG_EFAULT;
			return 1;
		}
		terms &= *word;
	}
	if (!terms)
		return 0;
	return tg_search_word(search, i * 64 + bit, terms);
}

#ifdef __bpf__
#define TG_SEARCH(search) bpf_loop(TG_MAX_TERMS / TG_WORD_TERMS, tg_search_step, search, 0)
#else
#define TG_SEARCH(search)                                                                          \
	do {                                                                                       \
	} while (!tg_search_step(0, search))
#endif

/* Have a search look at the rare fields, too. */
static __always_inline int tg_search_rare(const struct tg_view *view,
					  const struct tg_section *section,
					  const struct tg_keys *keys, struct tg_search *search)
{
	TG_ROLL
	for (int key = TG_KEY_RARE; key < TG_KEYS; key++) {
		const __u64 *head = tg_rare_word(view, section, keys, key);
		__u64 mask = tg_rare_mask(keys, key);
		const struct tg_bitset *set;

		if (!head)
			return -TG_EFAULT;
		search->row[key] = TG_HEAD_ROW(*head) & (__u32)mask;
		set = tg_row(view, search->row[key]);
		if (!set)
			return -TG_EFAULT;
		TG_UNROLL
		for (int i = 0; i < (int)TG_SUMMARY_WORDS; i++)
			search->summary[i] &= set->summary[i] | ~mask;
	}
	return 0;
}

/* Every head is a bitset's: AND their summaries, then the words that are left. */
static TG_SUBPROGRAM int tg_match_many(const struct tg_view *view, const struct tg_section *section,
				       const struct tg_keys *keys, __u64 wanted, __u64 *shadows)
{
	struct tg_search search = {.view = *view,
				   .found = TG_MAX_TERMS,
				   .shadow_row = section->shadow_row,
				   .shadows = *shadows};

	TG_UNROLL
	for (int i = 0; i < (int)TG_SUMMARY_WORDS; i++)
		search.summary[i] = section->summary[i];
	TG_UNROLL
	for (int key = 0; key < TG_KEY_RARE; key++) {
		const struct tg_bitset *set;

		if (!TG_ASKS(wanted, section, keys, key))
			continue;
		search.row[key] = TG_HEAD_ROW(tg_find_head(view, section, keys, key));
		set = tg_row(view, search.row[key]);
		if (!set)
			return -TG_EFAULT;
		TG_UNROLL
		for (int i = 0; i < (int)TG_SUMMARY_WORDS; i++)
			search.summary[i] &= set->summary[i];
	}
	if (wanted >> TG_KEY_RARE && tg_search_rare(view, section, keys, &search))
		return -TG_EFAULT;
	TG_SEARCH(&search);
	*shadows = search.shadows;
	return search.found;
}

/* An operation's rules; NULL in *section where nothing is said about it. */
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
/* What was found: the rows of the terms, one of which decides. */
struct tg_found {
	const struct tg_term *term; /* NULL: nothing is said about the operation */
	__u64 shadows;              /* see TG_NO_SHADOWS */
	__u32 term_row;
};

/*
 * The term that decides, or the default's, which is the last.  `wanted` are the
 * fields, and `many` whether there may be more than 64 terms, that the program
 * was made for: constants in the kernel.  `wanted` is 64 bits wide so that it is spilled to a
 * stack slot of its own: of two numbers that share one the verifier forgets
 * what they are.
 */
static __always_inline int tg_match(const struct tg_view *view, const struct tg_section *section,
				    const struct tg_keys *keys, __u64 wanted, int many,
				    struct tg_found *found)
{
	__u64 shadows = TG_NO_SHADOWS;
	__u32 index;
	int first;

	if (many && section->terms > TG_WORD_TERMS) {
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
	return found->term ? 0 : -TG_EFAULT;
}

/* The row of an operation's section of unix sockets; 0: nothing is said about them. */
static __always_inline int tg_unix_section(const struct tg_view *view, enum tg_op op)
{
	const struct tg_image_header *header = tg_row(view, 0);
	const struct tg_image_about *about = tg_row(view, 1);

	if (!header || !about || header->magic != TG_IMAGE_MAGIC)
		return -TG_EFAULT;
	return (int)about->unix_section[op];
}

#endif
