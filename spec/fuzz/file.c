/* SPDX-License-Identifier: MIT */
/* file.c - files of items, which a rule or a set loads. */
#define _GNU_SOURCE /* memfd_create() */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "spec/c/draw.h"
#include "tidegate.h"

static void load(const char *path, enum tg_field field)
{
	struct tg_policy *policy;
	struct tg_image *image;
	struct tg_list *list;

	MUST(!tg_list_new(field, 0, &list));
	if (tg_list_load(list, path))
		MUST(*tg_error());
	tg_list_free(list);
	MUST(!tg_policy_new("fuzz", &policy));
	MUST(!tg_policy_declare_set(policy, "s", NULL));
	if (!tg_policy_set_load(policy, "s", path, 0) && !tg_policy_compile(policy, &image))
		tg_image_free(image);
	tg_policy_free(policy);
	if (!tg_image_load(path, &image))
		tg_image_free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("items", 0);
	char path[32];

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	load(path, size % TG_FIELD_COUNT);
	close(fd);
	return 0;
}
