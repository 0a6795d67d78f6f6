/* SPDX-License-Identifier: MIT */
/* mount_line.c - the mounts that this process sees: /proc/self/mountinfo. */
#include "system/mount_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* mountinfo spells space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
					(text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* "31 23 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw" */
static bool parse(const char *line, struct tg_mount *mount)
{
	const char *tail = strstr(line, " - ");

	if (!tail || sscanf(tail, " - %31s", mount->type) != 1)
		return false;
	if (sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root, mount->point) != 2)
		return false;
	unescape(mount->root);
	unescape(mount->point);
	return true;
}

int tg_mounts_open(struct tg_mounts *mounts)
{
	*mounts = (struct tg_mounts){.file = fopen("/proc/self/mountinfo", "re")};
	return mounts->file ? 0 : tg_fail_errno(-errno, "/proc/self/mountinfo");
}

bool tg_mounts_next(struct tg_mounts *mounts, struct tg_mount *mount)
{
	while (getline(&mounts->line, &mounts->capacity, mounts->file) > 0)
		if (parse(mounts->line, mount))
			return true;
	return false;
}

void tg_mounts_close(struct tg_mounts *mounts)
{
	free(mounts->line);
	fclose(mounts->file);
}
