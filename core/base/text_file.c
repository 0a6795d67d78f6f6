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

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* Room for the largest set, with comments. */
#define MAX_BYTES (256u << 20)

/* What was read of a file, with a NUL at its end. */
struct contents {
	char *text;
	size_t length;
	size_t capacity;
};

/* `text` has a NUL.  A device such as /dev/zero has nothing else, and never ends. */
static int not_text(const char *path, const char *text)
{
	size_t line = 1;

	while ((text = strchr(text, '\n'))) {
		text++;
		line++;
	}
	return tg_fail(-EINVAL, "%s:%zu: there is a NUL byte in it: is this a text file?", path,
		       line);
}

static int make_room(struct contents *contents, const char *path, size_t capacity)
{
	char *grown;

	if (capacity > (size_t)MAX_BYTES + 2)
		return tg_fail(-EFBIG, "%s: over the limit of %u MiB: is this a list of items?",
			       path, MAX_BYTES >> 20);
	grown = realloc(contents->text, capacity);
	if (!grown)
		return tg_fail(-ENOMEM, "%s: out of memory: no room for the file", path);
	contents->text = grown;
	contents->capacity = capacity;
	return 0;
}

/* Read to the end, whose position is unknown for a pipe. */
static int read_all(int file, const char *path, struct contents *contents)
{
	size_t size = 65536;
	struct stat status;
	int error;

	if (!fstat(file, &status) && status.st_size > 0)
		size = (size_t)status.st_size + 2;
	error = make_room(contents, path, size);
	while (!error) {
		char *at = contents->text + contents->length;
		ssize_t got = read(file, at, contents->capacity - contents->length - 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return tg_fail_errno(-errno, "%s", path);
		at[got] = '\0';
		if (strlen(at) != (size_t)got)
			return not_text(path, contents->text);
		if (!got)
			return 0;
		contents->length += (size_t)got;
		if (contents->length + 1 == contents->capacity)
			error = make_room(contents, path, 2 * contents->capacity);
	}
	return error;
}

static int read_file(const char *path, struct contents *contents)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	int error;

	if (file < 0)
		return tg_fail_errno(-errno, "%s", path);
	error = read_all(file, path, contents);
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
	*end = '\0';
	return add(context, start);
}

/* Call `add` with the items of the text. */
static int add_lines(const char *path, const struct contents *contents,
		     int (*add)(void *context, const char *item), void *context)
{
	/* Some editors begin a UTF-8 file with a byte-order mark. */
	char *at = contents->text + (strncmp(contents->text, BYTE_ORDER_MARK, 3) ? 0 : 3);
	char *end = contents->text + contents->length;
	int error = 0;

	for (size_t line = 1; at < end && !error; line++) {
		char *stop = memchr(at, '\n', (size_t)(end - at));

		if (!stop)
			stop = end;
		error = add_line(at, stop, add, context);
		if (error)
			tg_fail(error, "%s:%zu: %s", path, line, tg_error());
		at = stop + 1;
	}
	return error;
}

int tg_lines_each(const char *path, int (*add)(void *context, const char *item), void *context)
{
	struct contents contents = {0};
	int error = read_file(path, &contents);

	if (!error)
		error = add_lines(path, &contents, add, context);
	free(contents.text);
	return error;
}
