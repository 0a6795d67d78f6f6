/* SPDX-License-Identifier: MIT */
/* image_file.c - images in files. */
#define _GNU_SOURCE /* asprintf() */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "image/image.h"
#include "image/verify.h"

static int read_whole(int fd, const char *path, void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = read(fd, (char *)bytes + done, size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return tg_fail_errno(-errno, "%s", path);
		if (got == 0)
			return tg_fail(-EINVAL, "%s: the file became shorter while it was read",
				       path);
		done += (size_t)got;
	}
	return 0;
}

static int load_fd(int fd, const char *path, struct tg_image *image)
{
	struct stat status;
	int error;

	if (fstat(fd, &status) < 0)
		return tg_fail_errno(-errno, "%s", path);
	if (!S_ISREG(status.st_mode))
		return tg_fail(-EINVAL, "%s: not a regular file", path);
	if (status.st_size > TG_MAX_IMAGE_BYTES)
		return tg_fail(-EINVAL,
			       "%s: not a Tidegate image: %lld bytes, an image has at most %u",
			       path, (long long)status.st_size, TG_MAX_IMAGE_BYTES);
	image->bytes = (size_t)status.st_size;
	image->rows = malloc(image->bytes + 1);
	if (!image->rows)
		return tg_fail(-ENOMEM, "%s: out of memory: no room for the file", path);
	error = read_whole(fd, path, image->rows, image->bytes);
	if (error)
		return error;
	error = tg_image_verify(image->rows, image->bytes);
	if (error)
		return tg_fail(error, "%s: %s", path, tg_error());
	return 0;
}

int tg_image_load(const char *path, struct tg_image **image)
{
	struct tg_image *fresh;
	int fd, error = TG_REQUIRE(path);

	if (!error)
		error = TG_REQUIRE(image);
	if (error)
		return error;
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return tg_fail(-ENOMEM, "%s: out of memory: no room for the file", path);
	/* O_NONBLOCK: do not wait until somebody writes to a FIFO. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		error = tg_fail_errno(-errno, "%s", path);
	} else {
		error = load_fd(fd, path, fresh);
		close(fd);
	}
	if (error) {
		tg_image_free(fresh);
		return error;
	}
	((struct tg_image_header *)fresh->rows)->generation = 0;
	*image = fresh;
	return 0;
}

static int write_whole(int fd, const char *path, const void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t put = write(fd, (const char *)bytes + done, size - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return tg_fail_errno(-errno, "%s", path);
		done += (size_t)put;
	}
	return 0;
}

/* The generation in a file is 0: no gate enforces a file's image. */
static int save_fd(const struct tg_image *image, int fd, const char *path)
{
	struct tg_image_header header;
	int error;

	memcpy(&header, image->rows, sizeof(header));
	header.generation = 0;
	error = write_whole(fd, path, &header, sizeof(header));
	if (!error)
		error = write_whole(fd, path, (const char *)image->rows + sizeof(header),
				    image->bytes - sizeof(header));
	if (close(fd) < 0 && !error)
		error = tg_fail_errno(-errno, "%s", path);
	return error;
}

/* Write a file beside `path` and rename it, so that no reader ever sees half an image. */
static int save_beside(const struct tg_image *image, const char *path)
{
	char *beside;
	int fd, error;

	if (asprintf(&beside, "%s.%ld.tmp", path, (long)getpid()) < 0)
		return tg_fail(-ENOMEM, "%s: out of memory: no room for the file", path);
	unlink(beside); /* left by a process that had our pid and died */
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		error = tg_fail_errno(-errno, "%s", path);
		goto out;
	}
	error = save_fd(image, fd, path);
	if (!error && rename(beside, path) < 0)
		error = tg_fail_errno(-errno, "%s", path);
	if (error)
		unlink(beside);
out:
	free(beside);
	return error;
}

int tg_image_save(const struct tg_image *image, const char *path)
{
	struct stat status;
	int fd, error = TG_REQUIRE(image);

	if (!error)
		error = TG_REQUIRE(path);
	if (error)
		return error;
	/* A pipe, a terminal or /dev/null must be written to, not renamed over. */
	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return tg_fail_errno(-errno, "%s", path);
		return save_fd(image, fd, path);
	}
	return save_beside(image, path);
}
