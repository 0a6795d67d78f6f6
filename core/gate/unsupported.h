/* SPDX-License-Identifier: MIT */
/* unsupported.h - what an image needs and this kernel does not have. */
#ifndef TG_GATE_UNSUPPORTED_H
#define TG_GATE_UNSUPPORTED_H

#include "image/image.h"

/*
 * -EOPNOTSUPP: the kernel lacks something.  The text names each rule that needs
 * it, what it needs, and the Linux version that has it.
 */
int tg_unsupported_check(const struct tg_image *image);

#endif
