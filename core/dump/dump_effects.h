/* SPDX-License-Identifier: MIT */
/* dump_effects.h - what a term does, as the texts of a rule again. */
#ifndef TG_DUMP_DUMP_EFFECTS_H
#define TG_DUMP_DUMP_EFFECTS_H

#include "image/image.h"

/* Where the texts are that a struct tg_rule points to. */
struct tg_dump_effects {
	char to[192], bind_source[80], log[32], over[64];
	char sockopt[256];
};

/*
 * Set the members of a rule that say what it does, from a term of the section at a place.
 * -EOPNOTSUPP: no text says it.
 */
int tg_dump_effects_read(const struct tg_image *image, int place, const struct tg_term *term,
			 struct tg_dump_effects *texts, struct tg_rule *rule);

#endif
