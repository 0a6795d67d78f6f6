/* SPDX-License-Identifier: MIT */
/* array.c - arrays that grow. */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"

#define FIRST_CAPACITY 8

void *tg_array_grow(void *at, size_t *capacity, size_t needed, size_t bytes, const char *what)
{
	size_t wanted = *capacity ? *capacity : FIRST_CAPACITY;
	void *grown;

	if (at && needed <= *capacity)
		return at;
	while (wanted < needed && wanted <= SIZE_MAX / 2)
		wanted *= 2;
	grown = wanted <= SIZE_MAX / bytes ? realloc(at, wanted * bytes) : NULL;
	if (!grown) {
		tg_fail(-ENOMEM, "out of memory: no room for %zu %s", needed, what);
		return NULL;
	}
	*capacity = wanted;
	return grown;
}
