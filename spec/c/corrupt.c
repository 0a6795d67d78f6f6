/* SPDX-License-Identifier: MIT */
/*
 * corrupt.c - damages images in thousands of ways: each damaged image must be
 * refused, or be harmless to all code that reads images.
 *
 *   corrupt [SEED [CORRUPTIONS]]
 *
 * It is built with the address and undefined behaviour sanitizers, which end it
 * if anything reads outside an image.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "damage.h"
#include "draw.h"
#include "image/verify.h"
#include "random_image.h"
#include "read_image.h"

#define POLICY_EVERY 100 /* corruptions of one image, before the next policy */

/* An image may lie at any address. */
static bool verify_anywhere(const struct bytes *bytes)
{
	unsigned char *odd = malloc(bytes->size + 1);
	int error = tg_image_verify(bytes->at, bytes->size);

	MUST(odd);
	memcpy(odd + 1, bytes->at, bytes->size);
	MUST(tg_image_verify(odd + 1, bytes->size) == error);
	MUST(!error || error == -22);
	free(odd);
	return !error;
}

/* The checksum covers everything except the generation. */
static bool differs_in_generation_only(const struct bytes *bytes, const struct tg_image *image)
{
	struct tg_image_header header;

	if (bytes->size != image->bytes)
		return false;
	memcpy(&header, bytes->at, sizeof(header));
	header.generation = ((struct tg_image_header *)image->rows)->generation;
	return !memcmp(&header, image->rows, sizeof(header)) &&
	       !memcmp(bytes->at + sizeof(header), (char *)image->rows + sizeof(header),
		       image->bytes - sizeof(header));
}

int main(int argc, char **argv)
{
	uint32_t corruptions = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 10000;
	uint32_t refused = 0, harmless = 0;
	struct tg_image *image = NULL;

	draw_from(argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL));
	for (uint32_t i = 0; i < corruptions; i++) {
		enum damage damage = below(DAMAGES);
		struct bytes bytes;

		if (i % POLICY_EVERY == 0) {
			tg_image_free(image);
			image = random_image();
			bytes = copy_bytes(image->rows, image->bytes);
			MUST(verify_anywhere(&bytes));
			read_image(&bytes);
			free(bytes.at);
		}
		bytes = copy_bytes(image->rows, image->bytes);
		inflict(&bytes, damage);
		if (!verify_anywhere(&bytes)) {
			refused++;
		} else {
			MUST(damage >= ACCIDENTS || differs_in_generation_only(&bytes, image));
			read_image(&bytes);
			harmless++;
		}
		free(bytes.at);
	}
	tg_image_free(image);
	printf("seed %llu: %u corruptions: %u refused, %u harmless\n",
	       (unsigned long long)draw_seed, corruptions, refused, harmless);
	return 0;
}
