/* SPDX-License-Identifier: MIT */
/* verify_section.h - verifying the sections of an image. */
#ifndef TG_IMAGE_VERIFY_SECTION_H
#define TG_IMAGE_VERIFY_SECTION_H

#include "image/verify_cursor.h"

/*
 * The sections whose first rows are in `sections`, by operation: those of unix
 * sockets if `is_unix` is set, those of all other sockets if not.
 */
int tg_verify_sections(struct tg_verify *check, const __u32 sections[8], bool is_unix);

#endif
