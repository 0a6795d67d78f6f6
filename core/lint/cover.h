/* SPDX-License-Identifier: MIT */
/*
 * cover.h - whether the terms before one take all calls of a box.
 *
 * A box is a product of classes: for each field those that it holds.  The
 * answer is exact, or that it would take too much work to know.
 */
#ifndef TG_LINT_COVER_H
#define TG_LINT_COVER_H

#include "lint/section_reader.h"

/* The fields whose kinds of calls the worlds know, and that a question can be made up of. */
#define TG_COMMON_KEYS (((1u << (TG_KEY_COMM + 1)) - 1) | 1u << TG_KEY_PATH)

struct tg_box {
	uint32_t keys; /* bits: fields that it speaks of */
	struct tg_class_list key[TG_KEYS];
	uint16_t *owned[TG_KEYS]; /* lists that are the box's own */
};

/*
 * A kind of calls: an address of one field, and none of the others; and the
 * families that the hooks for it can have.
 */
struct tg_call_kind {
	enum tg_key address;
	uint16_t families[2]; /* 0: none more */
};

#define TG_CALL_KINDS 2 /* of Internet sockets: IPv4 and IPv6 */

/* The kinds that there are in a section, and how many. */
const struct tg_call_kind *tg_call_kinds(int place);
int tg_call_kind_count(int place);

/* Every call of a kind; those of them for which a term holds.  *box is new.  -ENOMEM. */
int tg_box_of_call_kind(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
			struct tg_box *box);
int tg_box_of_term(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
		   uint32_t term, struct tg_box *box);

/* Leave of a field only the classes of another box, or only one class. */
int tg_box_intersect(struct tg_box *box, const struct tg_box *other);
int tg_box_restrict(struct tg_box *box, enum tg_key key, uint32_t cls);

/* Whether it has no class in some of these fields. */
bool tg_box_is_empty(const struct tg_box *box, uint32_t keys);
void tg_box_free(struct tg_box *box);

/* How much work all questions together may take, and what they need for it. */
struct tg_cover_work {
	uint64_t left;
};

#define TG_COVER_TERMS 512u

enum tg_cover_answer {
	TG_COVER_WHOLE,   /* no call of the box gets to the limit */
	TG_COVER_PART,    /* one does: see `call` */
	TG_COVER_UNKNOWN, /* to know would take too much */
};

struct tg_cover {
	enum tg_cover_answer answer;
	uint32_t covering[TG_COVER_TERMS]; /* WHOLE: terms that take the box, ascending */
	uint32_t covering_count;
	uint16_t call[TG_KEYS]; /* PART: by field the class of a call that no term takes */
};

/*
 * The terms before `limit`, less the shadows, that hold for some call of a box, as reading->words
 * words.  -E2BIG: too much work.
 */
int tg_cover_touching(struct tg_cover_work *work, const struct tg_section_reader *reader,
		      const struct tg_box *box, uint32_t limit, uint64_t *words);

/* Ask whether the terms before `limit`, less the shadows, take all of a box, which is not empty.
 * -ENOMEM, -EINVAL. */
int tg_cover_ask(struct tg_cover_work *work, const struct tg_section_reader *reader,
		 const struct tg_box *box, uint32_t limit, struct tg_cover *cover);

#endif
