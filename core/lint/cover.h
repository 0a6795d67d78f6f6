/* SPDX-License-Identifier: MIT */
/*
 * cover.h - whether the terms before another one take all calls of a box.
 *
 * The answer is exact, or it is that finding out would take too much work.
 */
#ifndef TG_LINT_COVER_H
#define TG_LINT_COVER_H

#include "lint/coverage_box.h"

/* How much work all questions together may still take. */
struct tg_cover_work {
	uint64_t left;
};

#define TG_COVER_TERMS 512u

enum tg_cover_answer {
	TG_COVER_WHOLE,   /* the terms take all calls of the box */
	TG_COVER_PART,    /* they do not take `call` */
	TG_COVER_UNKNOWN, /* finding out would take too much work */
};

struct tg_cover {
	enum tg_cover_answer answer;
	uint32_t covering[TG_COVER_TERMS]; /* WHOLE: terms that take the box, ascending */
	uint32_t covering_count;
	uint16_t call[TG_KEYS]; /* PART: the classes of a call that no term takes, by field */
};

/*
 * The terms before `limit`, except shadows, that hold for some call of a box, as
 * a bitset of reader->words words.  -E2BIG: too much work.
 */
int tg_cover_touching(struct tg_cover_work *work, const struct tg_section_reader *reader,
		      const struct tg_box *box, uint32_t limit, uint64_t *words);

/*
 * Whether the terms before `limit`, except shadows, take all calls of a box that
 * is not empty.  -ENOMEM; -EINVAL: damaged image.
 */
int tg_cover_ask(struct tg_cover_work *work, const struct tg_section_reader *reader,
		 const struct tg_box *box, uint32_t limit, struct tg_cover *cover);

#endif
