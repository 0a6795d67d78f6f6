/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* keys.h - a call as the fields of terms see it, and the class that each field gives it. */
#ifndef TG_BPF_ENGINE_KEYS_H
#define TG_BPF_ENGINE_KEYS_H

#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

/*
 * A call as the fields see it.  Host order.
 *
 * For rare fields it has only the classes, which are found when the values are
 * read, and what follows from the classes: there is no stack for the values, and
 * the verifier would follow both paths at each field.  See tg_take_rare().
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
	__u32 path; /* its rank */
	/* Bits: sets that have the socket's own address; in a long section all that match. */
	__u32 sets;
	__u32 vip;       /* TG_SEEN() */
	__u32 rare_used; /* bits, from 1 for TG_KEY_RARE on: rare fields that are asked about */
	/* Up to 64 terms: those that all rare fields leave; more: a class's head of few terms. */
	__u64 rare;
	__u16 rare_class[TG_KEYS - TG_KEY_RARE];
	__u8 failed;  /* a live set was missing */
	__u8 refused; /* 1: another program has refused the call: it takes no token of a rate */
	__u32 netns;  /* of the socket: the low half of its cookie; see TG_FEATURE_PER_NETNS */
#ifndef __bpf__
	const struct tg_table_rows *tables; /* the live tables, by their number in the image */
#endif
};

/* Where a call to 0.0.0.0 goes: 127.0.0.1. */
#define TG_LOOPBACK4 0x7f000001u

/* Whether a field is in use.  `wanted`, the fields that the program was made for, is a constant. */
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

/* Whether a field in use applies to this call: one of the two address fields does not. */
static __always_inline int tg_applies(const struct tg_keys *keys, enum tg_key key)
{
	return key == TG_KEY_ADDR4 ? keys->is4 : key == TG_KEY_ADDR6 ? !keys->is4 : 1;
}

/* Whether a field is in use and applies to this call; `key` is a constant. */
#define TG_ASKS(wanted, section, keys, key) (TG_USES(wanted, section, key) && tg_applies(keys, key))

/* --- Rare fields ------------------------------------------------------------------- */

/* All ones if a rare field is asked about, else 0. */
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

/* Set the state before the first rare field is classified. */
static __always_inline void tg_start_rare(const struct tg_section *section, struct tg_keys *keys)
{
	keys->rare_used = section->keys >> TG_KEY_RARE;
	keys->rare = section->terms > TG_WORD_TERMS ? 0 : ~0ull;
}

/* Ask only about the field of the own address (IPv4 or IPv6) that applies to it. */
static __always_inline void tg_ask_own(struct tg_keys *keys, __u32 is4)
{
	keys->rare_used &= ~(1u << (TG_KEY_SOURCE4 - TG_KEY_RARE) << !!is4);
}

/*
 * Take the class of a rare field.  If there are at most 64 terms, the AND of the
 * classes' words is needed; if there are more, whether some class leaves only few
 * terms.  A field that this section does not ask about changes nothing: its tree
 * is all zeros, so it points to the first rows of the image, whose content is
 * then masked out.
 */
static __always_inline int tg_take_rare(const struct tg_view *view,
					const struct tg_section *section, int many,
					struct tg_keys *keys, int key, int cls)
{
	__u64 mask = tg_rare_mask(keys, key);
	const __u64 *word;
	__u64 take;

	if (cls < 0)
		return -TG_EFAULT;
	keys->rare_class[key - TG_KEY_RARE] = (__u16)((__u64)cls & mask);
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

#endif
