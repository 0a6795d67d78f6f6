/* SPDX-License-Identifier: MIT */
/*
 * image.c - images: what is accepted is harmless to all code that reads it.
 *
 * The checksum keeps accidents out, not an attacker, so each input gets a right one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/checksum.h"
#include "image/verify.h"
#include "spec/c/draw.h"
#include "spec/c/random_image.h"
#include "spec/c/read_image.h"

#define NEW_IMAGE_EVERY 100 /* inputs */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

/* Start from a real image now and then: nobody writes one by chance. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed)
{
	struct tg_image *image;

	draw_from(seed);
	if (size >= TG_ROW_BYTES && below(NEW_IMAGE_EVERY))
		return LLVMFuzzerMutate(data, size, capacity);
	image = random_image();
	size = image->bytes < capacity ? image->bytes : capacity;
	memcpy(data, image->rows, size);
	tg_image_free(image);
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes;

	size -= size % TG_ROW_BYTES;
	if (!size)
		return 0;
	bytes = copy_bytes(data, size);
	((struct tg_image_header *)bytes.at)->rows = (uint32_t)(size / TG_ROW_BYTES);
	tg_image_seal(bytes.at, size);
	draw_from(size);
	if (!tg_image_verify(bytes.at, size))
		read_image(&bytes);
	free(bytes.at);
	return 0;
}
