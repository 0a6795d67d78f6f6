/* SPDX-License-Identifier: MIT */
/*
 * error.h - the text of the last failure on this thread.
 *
 * The function that detects a failure sets the text, once, and returns the
 * number.  Its callers pass the number on, or set the text again with more
 * context around it.
 */
#ifndef TG_BASE_ERROR_H
#define TG_BASE_ERROR_H

/* Set the text; returns `error`, a negative errno, so that a failure is one line. */
int tg_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like tg_fail(), with ": " and the description of the errno at the end of the text. */
int tg_fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fail with -EINVAL because an image refers to a place outside itself. */
int tg_fail_damaged(void);

#endif
