/* SPDX-License-Identifier: MIT */
/* text_file.c - the items of a text file, one per line. */
#include "base/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tidegate.h"

/* Read to the end, whose position is unknown for a pipe, and add a NUL. */
static int read_all(int file, const char *path, char **text, size_t *length)
{
	size_t capacity = 65536, have = 0;
	char *buffer = NULL, *grown;
	struct stat status;
	ssize_t got;

	if (!fstat(file, &status) && status.st_size > 0)
		capacity = (size_t)status.st_size + 2;
	do {
		if (!buffer || have + 1 == capacity) {
			capacity = buffer ? 2 * capacity : capacity;
			grown = realloc(buffer, capacity);
			if (!grown) {
				free(buffer);
				return tg_fail(-ENOMEM, "%s: out of memory: no room for the file",
					       path);
			}
			buffer = grown;
		}
		got = read(file, buffer + have, capacity - have - 1);
		if (got > 0)
			have += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0) {
		int error = -errno;

		free(buffer);
		return tg_fail_errno(error, "%s", path);
	}
	buffer[have] = '\0';
	*text = buffer;
	*length = have;
	return 0;
}

static int read_file(const char *path, char **text, size_t *length)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	int error;

	if (file < 0)
		return tg_fail_errno(-errno, "%s", path);
	error = read_all(file, path, text, length);
	close(file);
	return error;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Add the item between `start` and `end`; the byte at `end` may be overwritten. */
static int add_line(char *start, char *end, int (*add)(void *, const char *), void *context)
{
	char *comment = memchr(start, '#', (size_t)(end - start));

	if (comment)
		end = comment;
	while (start < end && is_blank(*start))
		start++;
	while (start < end && is_blank(end[-1]))
		end--;
	if (start == end)
		return 0;
	if (memchr(start, '\0', (size_t)(end - start)))
		return tg_fail(-EINVAL, "there is a NUL byte in it: is this a text file?");
	*end = '\0';
	return add(context, start);
}

int tg_lines_each(const char *path, int (*add)(void *context, const char *item), void *context)
{
	char *text = NULL, *at, *end;
	size_t length = 0;
	int error = read_file(path, &text, &length);

	if (error)
		return error;
	at = text;
	end = text + length;
	for (size_t line = 1; at < end && !error; line++) {
		char *stop = memchr(at, '\n', (size_t)(end - at));

		if (!stop)
			stop = end;
		error = add_line(at, stop, add, context);
		if (error)
			tg_fail(error, "%s:%zu: %s", path, line, tg_error());
		at = stop + 1;
	}
	free(text);
	return error;
}
