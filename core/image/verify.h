/* SPDX-License-Identifier: MIT */
/* verify.h - whether bytes are an image that can be walked. */
#ifndef TG_IMAGE_VERIFY_H
#define TG_IMAGE_VERIFY_H

#include <stddef.h>

/* 0 if `bytes` are an image that is safe to walk and whose checksum is right; else -EINVAL. */
int tg_image_verify(const void *bytes, size_t size);

#endif
