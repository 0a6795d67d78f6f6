/* SPDX-License-Identifier: MIT */
/* error.c - the text of the last failure on this thread. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/writer.h"
#include "tidegate.h"

/* It has room for the end of the verifier's log, which gives the reason. */
static _Thread_local char text[16384];

const char *tg_error(void)
{
	return text;
}

/*
 * A message quotes what other programs and files chose, so all of it is escaped; what was escaped
 * before stays as it is.  The arguments may point into `text` itself, if a caller adds to it.
 */
static void set_text(enum tg_escape escape, const char *format, va_list arguments)
{
	char fresh[sizeof(text)];
	struct tg_writer out = {.text = text, .size = sizeof(text)};

	vsnprintf(fresh, sizeof(fresh), format, arguments);
	text[0] = 0;
	tg_write_escaped(&out, escape, fresh, strlen(fresh));
}

int tg_fail(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set_text(TG_ESCAPE_UTF8, format, arguments);
	va_end(arguments);
	return error;
}

int tg_check_bits(const char *what, uint32_t bits, uint32_t known)
{
	if (!(bits & ~known))
		return 0;
	return tg_fail(-EINVAL, "%s: 0x%x is not known to this library", what, bits & ~known);
}

int tg_fail_errno(int error, const char *format, ...)
{
	struct tg_writer out = {.text = text, .size = sizeof(text)};
	va_list arguments;

	va_start(arguments, format);
	set_text(TG_ESCAPE_UTF8, format, arguments);
	va_end(arguments);
	out.length = strlen(text);
	tg_write(&out, ": ");
	tg_write(&out, strerror(-error));
	if (error == -EMFILE)
		tg_write(&out, ": raise the limit of this process, with ulimit -n");
	return error;
}

int tg_fail_lines(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set_text(TG_ESCAPE_LINES, format, arguments);
	va_end(arguments);
	return error;
}

int tg_require(const void *argument, const char *function, const char *name)
{
	return argument ? 0 : tg_fail(-EINVAL, "%s: %s is NULL", function, name);
}

int tg_fail_damaged(void)
{
	return tg_fail(-EINVAL, "damaged image: a reference leads outside it");
}
