/* SPDX-License-Identifier: MIT */
/* random_image.h - images of random policies. */
#ifndef TG_SPEC_RANDOM_IMAGE_H
#define TG_SPEC_RANDOM_IMAGE_H

#include "image/image.h"

/* The image of a policy that is made up by draw() from everything that a policy can have. */
struct tg_image *random_image(void);

#endif
