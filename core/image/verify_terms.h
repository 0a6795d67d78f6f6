/* SPDX-License-Identifier: MIT */
/* verify_terms.h - verifying the terms of a section, and what terms refer to. */
#ifndef TG_IMAGE_VERIFY_TERMS_H
#define TG_IMAGE_VERIFY_TERMS_H

#include "image/verify_cursor.h"

/* The parts in their order; `is_unix`: the section is one of unix sockets. */
int tg_verify_terms(struct tg_verify *check, const struct tg_section *section, bool is_unix);

/* The rests of terms and their options, of terms that are good. */
int tg_verify_rests(struct tg_verify *check, const struct tg_section *section);
int tg_verify_shadows(struct tg_verify *check, const struct tg_section *section);
int tg_verify_guards(struct tg_verify *check, const struct tg_section *section);

#endif
