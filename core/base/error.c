/* SPDX-License-Identifier: MIT */
/* error.c - the text of the last failure on this thread. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tidegate.h"

/* It has room for the end of the verifier's log, which gives the reason. */
static _Thread_local char text[16384];

const char *tg_error(void)
{
	return text;
}

/* The arguments may point into `text` itself, if a caller adds to it. */
static int format_text(const char *format, va_list arguments)
{
	char fresh[sizeof(text)];
	int length = vsnprintf(fresh, sizeof(fresh), format, arguments);

	memcpy(text, fresh, sizeof(text));
	return length < (int)sizeof(text) ? length : (int)sizeof(text) - 1;
}

int tg_fail(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	format_text(format, arguments);
	va_end(arguments);
	return error;
}

int tg_fail_errno(int error, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = format_text(format, arguments);
	va_end(arguments);
	snprintf(text + length, sizeof(text) - (size_t)length, ": %s", strerror(-error));
	return error;
}

int tg_fail_damaged(void)
{
	return tg_fail(-EINVAL, "damaged image: a reference leads outside it");
}
