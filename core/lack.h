/* SPDX-License-Identifier: MIT */
/* lack.h - what an image needs and this kernel does not have. */
#ifndef TG_LACK_H
#define TG_LACK_H

#include "../bpf/spec.h"
#include "image.h"

/* -EOPNOTSUPP: the kernel lacks something; the text names each rule, its need, and who has it. */
int tg_lack_check(const struct tg_image *image);

#endif
