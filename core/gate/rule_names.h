/* SPDX-License-Identifier: MIT */
/*
 * rule_names.h - the names and the messages of the rules of the last images.
 *
 * An event waits in the ring while other images are published, and says only
 * the number of its rule in the image that decided.
 */
#ifndef TG_GATE_RULE_NAMES_H
#define TG_GATE_RULE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "tidegate.h"

/* How many images are remembered.  Images in a row that differ in neither are one. */
#define TG_NAMES_KEPT 8

struct tg_rule_names; /* of one image */

/* Zeroed at first.  Whoever uses it has the gate locked. */
struct tg_name_history {
	struct tg_rule_names *kept[TG_NAMES_KEPT + 1]; /* the latest first; NULL: no more */
	bool added;                                    /* one that is not settled */
};

void tg_name_history_free(struct tg_name_history *history);

/*
 * Before an image is put in force as a generation, add what it calls its rules:
 * its first event may be read before the publish returns.  Then settle: if it was
 * published, forget the oldest image, else forget this one.
 */
int tg_name_history_add(struct tg_name_history *history, const struct tg_image *image,
			uint64_t generation);
void tg_name_history_settle(struct tg_name_history *history, bool published);

struct tg_rule_words {
	char name[TG_RULE_NAME + 1];
	char message[TG_RULE_MESSAGE + 1]; /* "": it has none */
};

/*
 * Copy the words of a rule; a longer one is cut at the end of a character.  False:
 * the generation is not remembered, or has no such rule.
 */
bool tg_gate_copy_words(const struct tg_gate *gate, uint64_t generation, uint32_t index,
			struct tg_rule_words *words);

#endif
