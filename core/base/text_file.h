/* SPDX-License-Identifier: MIT */
/* text_file.h - the items of a text file, one per line; '#' starts a comment. */
#ifndef TG_BASE_TEXT_FILE_H
#define TG_BASE_TEXT_FILE_H

/*
 * Call `add` with each item, until one call fails; file and line are then put in
 * front of the text of that failure.
 */
int tg_lines_each(const char *path, int (*add)(void *context, const char *item), void *context);

#endif
