/* SPDX-License-Identifier: MIT */
/* image_needs.h - which program spec and which hooks an image needs. */
#ifndef TG_IMAGE_IMAGE_NEEDS_H
#define TG_IMAGE_IMAGE_NEEDS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/layout/program_spec.h"

/* The narrowest spec for an image that needs `slots` slots, and the hooks that it attaches. */
void tg_program_spec_of_image(const void *rows, uint32_t slots, struct tg_spec *spec,
			      uint32_t *hooks);

/* The operations (bits) that its programs refuse if they find no usable image. */
uint32_t tg_image_deny_on_error(const void *rows);

/* Widen a spec so that it also covers `other`. */
void tg_program_spec_widen(struct tg_spec *spec, const struct tg_spec *other);

/* Whether programs that were loaded for `spec` can enforce an image that needs `other`. */
bool tg_program_spec_covers(const struct tg_spec *spec, const struct tg_spec *other);

#endif
