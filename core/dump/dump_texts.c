/* SPDX-License-Identifier: MIT */
/* dump_texts.c - a list of texts that grows. */
#include "dump/dump_texts.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void tg_dump_texts_clear(struct tg_dump_texts *texts)
{
	texts->length = texts->count = 0;
}

int tg_dump_texts_add(struct tg_dump_texts *texts, const char *text)
{
	size_t bytes = strlen(text) + 1;
	int error = tg_array_reserve(texts->bytes, texts->capacity, texts->length + bytes,
				     "bytes of texts");

	if (error)
		return error;
	memcpy(texts->bytes + texts->length, text, bytes);
	texts->length += bytes;
	texts->count++;
	return 0;
}

int tg_dump_texts_give(struct tg_dump_texts *texts, struct tg_dump_items *items)
{
	const char *text = texts->bytes;
	int error = tg_array_reserve(texts->at, texts->at_capacity, texts->count + 1, "texts");

	for (size_t i = 0; i < texts->count && !error; i++) {
		texts->at[i] = text;
		text += strlen(text) + 1;
	}
	if (!error)
		*items = (struct tg_dump_items){texts->at, (uint32_t)texts->count};
	return error;
}

void tg_dump_texts_free(struct tg_dump_texts *texts)
{
	free(texts->bytes);
	free(texts->at);
	*texts = (struct tg_dump_texts){0};
}
