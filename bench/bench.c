/* SPDX-License-Identifier: MIT */
/* bench.c - errors, memory, progress messages, scratch files and the clock. */
#include "bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tidegate.h"

void die(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "bench: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void check(int err)
{
	if (err)
		die("%s", tg_error());
}

void say(const char *what, const char *label)
{
	fprintf(stderr, "  %-8s %s\n", what, label);
}

void *allocate(size_t count, size_t size)
{
	void *place = calloc(count, size);

	if (!place)
		die("out of memory");
	return place;
}

FILE *open_scratch(void)
{
	FILE *scratch = tmpfile();

	if (!scratch)
		die("cannot make a file: %s", strerror(errno));
	return scratch;
}

void scratch_path(FILE *scratch, char *path, size_t size)
{
	if (fflush(scratch))
		die("cannot write a file: %s", strerror(errno));
	snprintf(path, size, "/proc/self/fd/%d", fileno(scratch));
}

double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}
