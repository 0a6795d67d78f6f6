/* SPDX-License-Identifier: MIT */
/* text_file.h - the items of a text file, one a line; '#' starts a comment. */
#ifndef TG_BASE_TEXT_FILE_H
#define TG_BASE_TEXT_FILE_H

/*
 * Call `add` with each item, until it fails: then the text of the failure gets
 * file and line in front.
 */
int tg_lines_each(const char *path, int (*add)(void *context, const char *item), void *context);

#endif
