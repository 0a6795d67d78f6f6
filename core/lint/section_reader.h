/* SPDX-License-Identifier: MIT */
/*
 * section_reader.h - one operation's section of an image, read back: for each
 * field, the classes that each term holds for.
 *
 * The image no longer has what the rule of a term says, but the classes are
 * exact all the same: no term distinguishes two calls of the same classes.
 */
#ifndef TG_LINT_SECTION_READER_H
#define TG_LINT_SECTION_READER_H

#include "base/interval.h"
#include "bpf/engine/tree_search.h"
#include "image/image.h"

/* Some classes of one field, all of which have a value, in ascending order. */
struct tg_class_list {
	const uint16_t *at;
	uint32_t count;
};

struct tg_section_reader_key {
	struct tg_class_list all;
	uint32_t *start; /* by term, and one more: where its classes start in `held` */
	uint16_t *held;
	uint64_t *any;            /* bitset: terms that hold for some class */
	uint64_t *every;          /* bitset: terms that hold for every class */
	struct tg_key128 *sample; /* by class: one of its values */
	bool *seen;               /* by class: whether it has a value */
};

struct tg_section_reader {
	struct tg_view view;
	int place; /* of the section: see tg_image_section_row() */
	const struct tg_section *section;
	const struct tg_term *terms; /* section->terms of them, and the default */
	uint32_t words;              /* of a bitset of terms */
	uint64_t *deciding; /* bitset: terms that decide whenever they hold, so no shadows */
	struct tg_section_reader_key key[TG_KEYS]; /* those of section->keys */
};

/*
 * Read a section, which the image has.  -E2BIG: it would take more memory than
 * checking it is worth; -ENOMEM; -EINVAL: damaged image.
 */
int tg_section_reader_open(const struct tg_image *image, int place,
			   struct tg_section_reader *reader);
void tg_section_reader_close(struct tg_section_reader *reader);

/* The terms that hold for a class, as a bitset of reader->words words. */
int tg_section_reader_terms(const struct tg_section_reader *reader, enum tg_key key, uint32_t cls,
			    uint64_t *words);

/* The classes that a term holds for. */
struct tg_class_list tg_section_reader_classes(const struct tg_section_reader *reader,
					       enum tg_key key, uint32_t term);

#endif
