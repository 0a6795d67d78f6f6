/* SPDX-License-Identifier: MIT */
/* unsupported.h - what an image needs and this kernel does not have. */
#ifndef TG_GATE_UNSUPPORTED_H
#define TG_GATE_UNSUPPORTED_H

#include "bpf/layout/program_spec.h"
#include "image/image.h"

/* -EOPNOTSUPP: the kernel lacks something; the text names each rule, its need, and who has it. */
int tg_unsupported_check(const struct tg_image *image);

#endif
