/* SPDX-License-Identifier: MIT */
/*
 * guarded.h - structs of a caller that was built with another size of them.
 *
 * Each lies at the end of a page that an inaccessible page follows.  So whatever the
 * library touches behind it ends the program.
 */
#ifndef TG_SPEC_GUARDED_H
#define TG_SPEC_GUARDED_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "tidegate.h"

#define DIRT   0xa5
#define BEYOND 24 /* bytes that a newer caller has, and the library does not know */

/* Memory of `size` bytes, full of dirt, at the end of a page. */
static inline void *at_the_end(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
	char *at = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	CHECK(at != MAP_FAILED);
	CHECK(!mprotect(at + whole, page, PROT_NONE));
	memset(at + whole - size, DIRT, size);
	return at + whole - size;
}

static inline bool is_dirt(const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (((const unsigned char *)bytes)[i] != DIRT)
			return false;
	return true;
}

static inline void set_size(void *given, size_t size)
{
	memcpy(given, &size, sizeof(size));
}

static inline size_t size_of(const void *given)
{
	size_t size;

	memcpy(&size, given, sizeof(size));
	return size;
}

/* A struct that the library writes; `first` is its size in the first release. */
static inline void check_output(const char *name, size_t first, int (*call)(void *out),
				bool may_be_nothing)
{
	char *exact = at_the_end(first), *longer = at_the_end(first + BEYOND), *shorter;
	int result;

	/* One that knows what the first release knew. */
	set_size(exact, first);
	result = call(exact);
	CHECK(may_be_nothing || result >= 0);
	CHECK(size_of(exact) == first);
	CHECK(may_be_nothing || !is_dirt(exact + sizeof(size_t), first - sizeof(size_t)));

	/* A newer one: what the library does not know stays as it is. */
	set_size(longer, first + BEYOND);
	CHECK(call(longer) == result);
	CHECK(size_of(longer) == first + BEYOND);
	CHECK(is_dirt(longer + first, BEYOND));
	CHECK(!memcmp(longer + sizeof(size_t), exact + sizeof(size_t), first - sizeof(size_t)));

	/* One that forgot its size, or is too short: nothing is written. */
	for (size_t size = 0; size < first; size += 8) {
		size_t room = size < sizeof(size) ? sizeof(size) : size;

		shorter = at_the_end(room);
		set_size(shorter, size);
		CHECK(call(shorter) == -EINVAL);
		CHECK(strstr(tg_error(), name));
		CHECK(is_dirt(shorter + sizeof(size), room - sizeof(size)));
	}
	/* An output that nobody wants. */
	CHECK(call(NULL) == result);
}

#endif
