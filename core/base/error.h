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

#include <stdint.h>

/*
 * Set the text, one line; returns `error`, a negative errno, so that a failure is one line of code,
 * too.  What is not printable in it becomes \x1b: the arguments may be what others chose.
 */
int tg_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Like tg_fail(), with ": " and the description of the errno at the end of the text, and for EMFILE
 * what to do.
 */
int tg_fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like tg_fail(), with a text of several lines, such as the log of the verifier. */
int tg_fail_lines(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Fail with -EINVAL if an argument of a public function is NULL and must not be:
 * "tg_image_info: image is NULL"; 0 if it is not.
 */
#define TG_REQUIRE(argument) tg_require(argument, __func__, #argument)
int tg_require(const void *argument, const char *function, const char *name);

/* Fail with -EINVAL if `bits` has others than those `known`: "attach: flags: 0x8 is not known …".
 */
int tg_check_bits(const char *what, uint32_t bits, uint32_t known);

/* Fail with -EINVAL because an image refers to a place outside itself. */
int tg_fail_damaged(void);

#endif
