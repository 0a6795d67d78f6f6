/* SPDX-License-Identifier: MIT */
/* text_file.c - the items of text files, one a line. */
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

/* Read up to the end, which for a pipe is not known before; a NUL is put behind it. */
static int read_all(int file, const char *path, char **text, size_t *length)
{
	size_t room = 65536, have = 0;
	char *buffer = NULL, *grown;
	struct stat status;
	ssize_t got;

	if (!fstat(file, &status) && status.st_size > 0)
		room = (size_t)status.st_size + 2;
	do {
		if (!buffer || have + 1 == room) {
			room = buffer ? 2 * room : room;
			grown = realloc(buffer, room);
			if (!grown) {
				free(buffer);
				return tg_fail(-ENOMEM, "%s: out of memory: no room for the file",
					       path);
			}
			buffer = grown;
		}
		got = read(file, buffer + have, room - have - 1);
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

/* The item between `start` and `end`, which may be written to. */
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
