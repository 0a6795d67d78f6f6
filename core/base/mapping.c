/* SPDX-License-Identifier: MIT */
/* mapping.c - giving up the right to write a mapped map. */
#include "base/mapping.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/error.h"

int tg_mapping_protect_part(void *at, size_t bytes, int fd, off_t offset)
{
	void *place = mmap(at, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, offset);

	return place == MAP_FAILED ? tg_fail_errno(-errno, "cannot map a map for reading only") : 0;
}

int tg_mapping_protect(void *at, size_t bytes, int fd)
{
	return tg_mapping_protect_part(at, bytes, fd, 0);
}
