/* SPDX-License-Identifier: MIT */
#include "base/struct_size.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

static size_t size_of(const void *given)
{
	size_t size;

	memcpy(&size, given, sizeof(size));
	return size;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

int tg_struct_check(const struct tg_struct_kind *kind, const void *result)
{
	if (!result)
		return tg_fail(-EINVAL, "struct %s: the pointer to it is NULL", kind->name);
	if (size_of(result) < kind->first)
		return tg_fail(-EINVAL,
			       "struct %s: its size is %zu: set it to sizeof(struct %s), %zu",
			       kind->name, size_of(result), kind->name, kind->now);
	return 0;
}

static int take(const struct tg_struct_kind *kind, void *own, const unsigned char *from,
		size_t size)
{
	for (size_t i = kind->now; i < size; i++) {
		if (from[i])
			return tg_fail(
				-E2BIG,
				"struct %s: byte %zu is %d, but this library only knows the "
				"first %zu bytes: set the rest to zero, or use a newer library",
				kind->name, i, from[i], kind->now);
	}
	memset(own, 0, kind->now);
	memcpy(own, from, smaller(size, kind->now));
	memcpy(own, &kind->now, sizeof(kind->now));
	return 0;
}

int tg_struct_take(const struct tg_struct_kind *kind, void *own, const void *given)
{
	int error = tg_struct_check(kind, given);

	return error ? error : take(kind, own, given, size_of(given));
}

int tg_struct_take_at(const struct tg_struct_kind *kind, void *own, const void *array, size_t index)
{
	int error = tg_struct_check(kind, array);

	if (error)
		return error;
	return take(kind, own, (const unsigned char *)array + index * size_of(array),
		    size_of(array));
}

void tg_struct_give(const struct tg_struct_kind *kind, void *result, const void *own)
{
	size_t size = smaller(size_of(result), kind->now);

	memcpy((unsigned char *)result + sizeof(size), (const unsigned char *)own + sizeof(size),
	       size - sizeof(size));
}

void tg_struct_give_at(const struct tg_struct_kind *kind, void *array, size_t index,
		       const void *own)
{
	size_t stride = size_of(array);
	unsigned char *element = (unsigned char *)array + index * stride;

	memcpy(element, &stride, sizeof(stride));
	tg_struct_give(kind, element, own);
}
