/* SPDX-License-Identifier: MIT */
/* read_image.h - everything that reads an image. */
#ifndef TG_SPEC_READ_IMAGE_H
#define TG_SPEC_READ_IMAGE_H

#include "damage.h"

/* Read all of an image that tg_image_verify() has accepted, and let it decide queries of draw(). */
void read_image(const struct bytes *bytes);

#endif
