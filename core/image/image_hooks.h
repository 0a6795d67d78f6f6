/* SPDX-License-Identifier: MIT */
/*
 * image_hooks.h - which hooks a gate attaches for an image, and which
 * operations the image rewrites.  The image has passed tg_image_verify().
 */
#ifndef TG_IMAGE_IMAGE_HOOKS_H
#define TG_IMAGE_IMAGE_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "tidegate.h"

/* Bits, 1 << enum tg_hook. */
uint32_t tg_image_hooks(const void *rows);

/*
 * Whether a rule for Internet sockets rewrites an operation.  A rule that
 * reveals the final address counts only if `revealed` is set.
 */
bool tg_image_op_rewrites(const void *rows, enum tg_op op, bool revealed);

/*
 * Whether a rule for unix sockets rewrites.  With `shown`, only rules for
 * connect and sendmsg count that do not reveal the final path.
 */
bool tg_image_rewrites_paths(const void *rows, bool shown);

#endif
