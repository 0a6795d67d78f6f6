/* SPDX-License-Identifier: MIT */
/*
 * writer.h - text that is put together in a buffer.
 *
 * Other programs choose names and paths.  So whoever writes one says what it is
 * for (enum tg_escape), and the writer escapes what must not get there.
 */
#ifndef TG_BASE_WRITER_H
#define TG_BASE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidegate_private.h"

/* Zeroed but for `text` and `size`.  The text ends with a NUL. */
struct tg_writer {
	char *text;
	size_t size;
	size_t length;
	bool cut; /* it did not fit, and ends before the first piece that did not */
};

/* Text of our own, which needs no escapes. */
void tg_write(struct tg_writer *writer, const char *text);
void tg_write_number(struct tg_writer *writer, uint64_t number);

/* A character, or a byte that is not one, is written whole or not at all. */
void tg_write_escaped(struct tg_writer *writer, enum tg_escape escape, const void *bytes,
		      size_t count);

#endif
