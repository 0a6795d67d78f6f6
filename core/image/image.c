/* SPDX-License-Identifier: MIT */
/* image.c - images as objects: in files, and what they say of themselves. */
#define _GNU_SOURCE
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

void tg_image_free(struct tg_image *image)
{
	if (!image)
		return;
	tg_image_tables_free(image);
	free(image->rows);
	free(image);
}

const void *tg_image_bytes(const struct tg_image *image, size_t *size)
{
	*size = image->bytes;
	return image->rows;
}

/* --- Files ------------------------------------------------------------------- */

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
	struct tg_image *fresh = calloc(1, sizeof(*fresh));
	int fd, error;

	if (!fresh)
		return tg_fail(-ENOMEM, "%s: out of memory: no room for the file", path);
	/* Not to wait for whoever writes to a pipe. */
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

/* A file's image is in force nowhere: its generation is 0. */
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

/* Write beside and rename, so that no reader ever sees half an image. */
static int save_beside(const struct tg_image *image, const char *path)
{
	char *beside;
	int fd, error;

	if (asprintf(&beside, "%s.%ld.tmp", path, (long)getpid()) < 0)
		return tg_fail(-ENOMEM, "%s: out of memory: no room for the file", path);
	unlink(beside); /* of a process that had our number and died */
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
	int fd;

	/* A pipe, a terminal, /dev/null: nothing to rename over. */
	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return tg_fail_errno(-errno, "%s", path);
		return save_fd(image, fd, path);
	}
	return save_beside(image, path);
}

/* --- What an image says of itself --------------------------------------------- */

static const struct tg_image_about *image_about(const struct tg_image *image)
{
	return tg_image_row(image->rows, 1);
}

static const char *blob_text(const struct tg_image *image, uint32_t offset)
{
	return (const char *)tg_image_row(image->rows, image_about(image)->blob_row) + offset;
}

/* The row behind the terms of an operation is its default. */
static uint32_t default_verb(const struct tg_image_header *header, enum tg_op op)
{
	const struct tg_section *section;
	const struct tg_term *terms;

	if (!header->section[op])
		return TG_VERB_ALLOW;
	section = tg_image_row(header, header->section[op]);
	terms = tg_image_row(header, section->term_row);
	return terms[section->terms].verb;
}

int tg_image_info(const struct tg_image *image, struct tg_image_info *info)
{
	const struct tg_image_about *about = image_about(image);

	if (info->size < sizeof(*info))
		return tg_fail(-EINVAL, "tg_image_info: size is %zu, not %zu", info->size,
			       sizeof(*info));
	*info = (struct tg_image_info){
		.size = info->size,
		.bytes = image->bytes,
		.rules = about->rules,
		.hooks = tg_image_hooks(image->rows),
		.name = blob_text(image, about->name),
		.on_error = about->verb_on_error,
	};
	for (int op = 0; op < TG_OPS; op++)
		info->defaults[op] = default_verb(image->rows, op);
	return 0;
}

int tg_image_rule(const struct tg_image *image, uint32_t index, struct tg_rule_info *info)
{
	const struct tg_image_about *about = image_about(image);
	const struct tg_rule_entry *rule;

	if (info->size < sizeof(*info))
		return tg_fail(-EINVAL, "tg_rule_info: size is %zu, not %zu", info->size,
			       sizeof(*info));
	if (index >= about->rules)
		return tg_fail(-ERANGE, "the image has no rule %u: it has %u", index, about->rules);
	rule = (const struct tg_rule_entry *)blob_text(image, 0) + index;
	*info = (struct tg_rule_info){
		.size = info->size,
		.name = blob_text(image, rule->name),
		.where = blob_text(image, rule->where),
		.text = blob_text(image, rule->text),
		.verb = rule->verb,
		.ops = rule->ops,
		.slot = rule->slot,
	};
	return 0;
}
