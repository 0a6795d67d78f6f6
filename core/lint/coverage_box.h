/* SPDX-License-Identifier: MIT */
/*
 * coverage_box.h - boxes: products of classes, which contain for each field some
 * of its classes; and the kinds of calls that there are.
 */
#ifndef TG_LINT_COVERAGE_BOX_H
#define TG_LINT_COVERAGE_BOX_H

#include "lint/section_reader.h"

/* The fields that the kinds of calls take into account, and from which a call can be made up. */
#define TG_COMMON_KEYS (((1u << (TG_KEY_COMM + 1)) - 1) | 1u << TG_KEY_PATH)

struct tg_box {
	uint32_t keys; /* bits: fields that it has classes of */
	struct tg_class_list key[TG_KEYS];
	uint16_t *owned[TG_KEYS]; /* lists that are freed with the box */
};

/*
 * A kind of calls: those with an address of one field, and of none of the other
 * address fields; and the families that their hooks can have.
 */
struct tg_call_kind {
	enum tg_key address;
	uint16_t families[2]; /* 0: there are no more */
};

#define TG_CALL_KINDS 2 /* of Internet sockets: IPv4 and IPv6 */

/* The kinds of calls that a section can have, and how many these are. */
const struct tg_call_kind *tg_call_kinds(int place);
int tg_call_kind_count(int place);

/* All calls of a kind, or those of them for which a term holds.  *box is new.  -ENOMEM. */
int tg_box_of_call_kind(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
			struct tg_box *box);
int tg_box_of_term(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
		   uint32_t term, struct tg_box *box);

/* Keep only the classes that another box has, too; or, of one field, only one class. */
int tg_box_intersect(struct tg_box *box, const struct tg_box *other);
int tg_box_restrict(struct tg_box *box, enum tg_key key, uint32_t cls);

/* Whether it has no class in one of these fields. */
bool tg_box_is_empty(const struct tg_box *box, uint32_t keys);
void tg_box_free(struct tg_box *box);

#endif
