/* SPDX-License-Identifier: MIT */
/*
 * checksum.c - a fast checksum of an image, against accidents, not attackers.
 *
 * It has eight lanes, one for each word of a row, so that the processor works
 * on all of them at once.  Each step is invertible, so a change of a single
 * word always changes the sum.
 */
#include "image/checksum.h"

#include <string.h>

#include "bpf/layout/image_layout.h"

#define LANES  (TG_ROW_BYTES / sizeof(uint64_t))
#define FACTOR 0x9e3779b97f4a7c15ull

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void add_row(uint64_t lanes[LANES], const uint64_t words[LANES])
{
	for (size_t i = 0; i < LANES; i++)
		lanes[i] = rotate((lanes[i] ^ words[i]) * FACTOR, 29);
}

uint64_t tg_image_checksum(const void *rows, size_t bytes)
{
	uint64_t lanes[LANES];
	uint64_t words[LANES];
	uint64_t sum = bytes;

	for (size_t i = 0; i < LANES; i++)
		lanes[i] = i + 1;
	for (size_t at = 0; at < bytes; at += TG_ROW_BYTES) {
		memcpy(words, (const char *)rows + at, TG_ROW_BYTES);
		if (at == 0) {
			struct tg_image_header header;

			memcpy(&header, words, sizeof(header));
			header.generation = 0;
			header.checksum = 0;
			memcpy(words, &header, sizeof(header));
		}
		add_row(lanes, words);
	}
	for (size_t i = 0; i < LANES; i++)
		sum = rotate((sum ^ lanes[i]) * FACTOR, 31);
	return sum ^ sum >> 32;
}

void tg_image_seal(void *rows, size_t bytes)
{
	struct tg_image_header *header = rows;

	header->checksum = tg_image_checksum(rows, bytes);
}
