/* SPDX-License-Identifier: MIT */
/*
 * target.h - the address that a call is sent to, and the one that it comes from.
 *
 * The text of a failure begins with the field's name: "to" or "source".
 */
#ifndef TG_PARSE_TARGET_H
#define TG_PARSE_TARGET_H

#include "bpf/layout/image_layout.h"
#include "parse/unix_path.h"

/*
 * Read where calls of `ops`, 1 << enum tg_op, are sent.  Sets address, port and
 * effects of `term`; if the text names a unix socket, the effects only.
 */
int tg_target_parse(const char *text, uint32_t ops, struct tg_term *term);

/* Read the path of a unix socket; any other text leaves *path and *bytes unchanged. */
int tg_target_path(const char *text, struct tg_path *path, uint32_t *bytes);

/* Read the address, perhaps with a port, to bind the socket to. */
int tg_target_source(const char *text, struct tg_term *term);

#endif
