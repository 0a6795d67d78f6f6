/* SPDX-License-Identifier: MIT */
/*
 * error.h - the text of the last failure on this thread.
 *
 * Whoever first knows what is wrong says it, once, and returns the number;
 * callers pass the number on, or say it again with more around it.
 */
#ifndef TG_BASE_ERROR_H
#define TG_BASE_ERROR_H

/* Set the text; returns `error`, a negative errno, so that a failure is one line. */
int tg_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, with ": " and the errno's own description behind the text. */
int tg_fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* -EINVAL, for whoever finds that an image leads outside itself. */
int tg_fail_damaged(void);

#endif
