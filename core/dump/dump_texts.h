/* SPDX-License-Identifier: MIT */
/* dump_texts.h - a list of texts that grows. */
#ifndef TG_DUMP_DUMP_TEXTS_H
#define TG_DUMP_DUMP_TEXTS_H

#include <stddef.h>
#include <stdint.h>

#include "tidegate_private.h"

struct tg_dump_texts {
	char *bytes; /* one text after the other, each with its NUL */
	size_t length, capacity;
	const char **at; /* set by tg_dump_texts_give() */
	size_t count, at_capacity;
};

/* Forget the texts, but not the memory. */
void tg_dump_texts_clear(struct tg_dump_texts *texts);
int tg_dump_texts_add(struct tg_dump_texts *texts, const char *text);

/* The texts for a caller, valid until the next change. */
int tg_dump_texts_give(struct tg_dump_texts *texts, struct tg_dump_items *items);
void tg_dump_texts_free(struct tg_dump_texts *texts);

#endif
