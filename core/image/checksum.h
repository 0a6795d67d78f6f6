/* SPDX-License-Identifier: MIT */
/* checksum.h - the checksum of an image. */
#ifndef TG_IMAGE_CHECKSUM_H
#define TG_IMAGE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* `bytes` are whole rows.  The header's checksum and generation count as 0. */
uint64_t tg_image_checksum(const void *rows, size_t bytes);

/* Write the checksum into the header: the last step of every change to an image. */
void tg_image_seal(void *rows, size_t bytes);

#endif
