/* SPDX-License-Identifier: MIT */
/* damage.c - damages the bytes of an image, at random places. */
#include "damage.h"

#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "image/checksum.h"
#include "image/image.h"

struct bytes copy_bytes(const void *from, size_t size)
{
	struct bytes bytes = {malloc(size ? size : 1), size};

	MUST(bytes.at);
	memcpy(bytes.at, from, size);
	return bytes;
}

static void flip_bits(struct bytes *bytes, uint32_t count)
{
	while (count--)
		bytes->at[below(bytes->size)] ^= (unsigned char)(1u << below(8));
}

/* A number that could pass for an index, a size or a class. */
static uint32_t tempting_word(const struct bytes *bytes)
{
	uint32_t rows = (uint32_t)(bytes->size / TG_ROW_BYTES);
	uint32_t word;

	switch (below(7)) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX - below(2);
	case 2:
		return rows - below(3);
	case 3:
		return TG_CHAIN | below(8) << 28 | below(rows);
	case 4:
		memcpy(&word, bytes->at + below(bytes->size / 4) * 4, 4);
		return word + below(3) - 1;
	case 5:
		return below(70);
	default:
		return below(rows);
	}
}

static void write_words(struct bytes *bytes, uint32_t count, size_t within)
{
	if (within > bytes->size)
		within = bytes->size;
	while (count--) {
		uint32_t word = tempting_word(bytes);

		memcpy(bytes->at + below(within / 4) * 4, &word, 4);
	}
}

static void swap_rows(struct bytes *bytes)
{
	uint32_t rows = (uint32_t)(bytes->size / TG_ROW_BYTES);
	unsigned char *a = bytes->at + (1 + below(rows - 1)) * TG_ROW_BYTES;
	unsigned char *b = bytes->at + (1 + below(rows - 1)) * TG_ROW_BYTES;
	unsigned char kept[TG_ROW_BYTES];

	memcpy(kept, a, TG_ROW_BYTES);
	memmove(a, b, TG_ROW_BYTES);
	if (below(2))
		memcpy(b, kept, TG_ROW_BYTES);
}

static void cut(struct bytes *bytes, size_t size)
{
	struct bytes shorter = copy_bytes(bytes->at, size);

	free(bytes->at);
	*bytes = shorter;
}

void inflict(struct bytes *bytes, enum damage damage)
{
	struct tg_image_header *header;

	switch (damage) {
	case ONE_BIT:
		flip_bits(bytes, 1);
		return;
	case SHORTER:
		cut(bytes, below(bytes->size));
		return;
	case NOISE:
		for (size_t i = 0; i < bytes->size; i++)
			bytes->at[i] = (unsigned char)draw();
		return;
	case SOME_BITS:
		flip_bits(bytes, 1 + below(8));
		break;
	case SOME_WORDS:
		write_words(bytes, 1 + below(4), bytes->size);
		break;
	case HEAD_WORDS:
		write_words(bytes, 1 + below(2), 10 * TG_ROW_BYTES);
		break;
	case SWAPPED_ROWS:
		swap_rows(bytes);
		break;
	default:
		cut(bytes, (1 + below(bytes->size / TG_ROW_BYTES)) * TG_ROW_BYTES);
		header = (struct tg_image_header *)bytes->at;
		header->rows = (uint32_t)(bytes->size / TG_ROW_BYTES);
	}
	tg_image_seal(bytes->at, bytes->size);
}
