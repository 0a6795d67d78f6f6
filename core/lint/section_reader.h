/* SPDX-License-Identifier: MIT */
/*
 * section_reader.h - one operation's section of an image, read back: for each field,
 * which classes each term holds for.
 *
 * What the compiler knew of a term is gone from the image; what is left is
 * exact all the same: two calls of the same classes are one to every term.
 */
#ifndef TG_LINT_SECTION_READER_H
#define TG_LINT_SECTION_READER_H

#include "bpf/engine/match.h"
#include "image/image.h"
#include "base/interval.h"

/* Classes of one field that have a value, in ascending order. */
struct tg_class_list {
	const uint16_t *at;
	uint32_t count;
};

struct tg_section_reader_key {
	struct tg_class_list all;
	uint32_t *start; /* by term, and one more: where its classes start in `held` */
	uint16_t *held;
	uint64_t *any;            /* terms that hold for some class */
	uint64_t *every;          /* terms that hold for every class */
	struct tg_key128 *sample; /* by class: a value of it */
	bool *seen;               /* by class: it has a value */
};

struct tg_section_reader {
	struct tg_view view;
	int place; /* of the section: see tg_image_section_row() */
	const struct tg_section *section;
	const struct tg_term *terms;               /* section->terms, and the default */
	uint32_t words;                            /* of a bitset of terms */
	uint64_t *deciding;                        /* terms that end the walk: no shadows */
	struct tg_section_reader_key key[TG_KEYS]; /* of section->keys */
};

/*
 * Read a section, which the image has.  -E2BIG: it would take
 * more memory than a reading is worth; -ENOMEM; -EINVAL: the image is damaged.
 */
int tg_section_reader_open(const struct tg_image *image, int place,
			   struct tg_section_reader *reader);
void tg_section_reader_close(struct tg_section_reader *reader);

/* The terms that hold for a class, as reading->words words. */
int tg_section_reader_terms(const struct tg_section_reader *reader, enum tg_key key, uint32_t cls,
			    uint64_t *words);

/* The classes that a term holds for. */
struct tg_class_list tg_section_reader_classes(const struct tg_section_reader *reader,
					       enum tg_key key, uint32_t term);

#endif
