/* SPDX-License-Identifier: MIT */
/* array.c - arrays that grow. */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"

#define FIRST_CAPACITY 8

void *tg_array_grow(void *at, size_t *capacity, size_t needed, size_t bytes, const char *what)
{
	size_t room = *capacity ? *capacity : FIRST_CAPACITY;
	void *grown;

	if (at && needed <= *capacity)
		return at;
	while (room < needed && room <= SIZE_MAX / 2)
		room *= 2;
	grown = room <= SIZE_MAX / bytes ? realloc(at, room * bytes) : NULL;
	if (!grown) {
		tg_fail(-ENOMEM, "out of memory: no room for %zu %s", needed, what);
		return NULL;
	}
	*capacity = room;
	return grown;
}
