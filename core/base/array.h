/* SPDX-License-Identifier: MIT */
/* array.h - arrays that grow: room at the end, added in steps that double. */
#ifndef TG_BASE_ARRAY_H
#define TG_BASE_ARRAY_H

#include <errno.h>
#include <stddef.h>

/*
 * `at` with room for at least `needed` elements of `bytes` each; *capacity is how
 * many it has room for afterwards.  NULL: out of memory; tg_error() says "no room
 * for NEEDED WHAT", and the array is as before.
 */
void *tg_array_grow(void *at, size_t *capacity, size_t needed, size_t bytes, const char *what);

/*
 * Make room in the array `at` of room `capacity`, both lvalues, for `needed`
 * elements.  0 or -ENOMEM.  `what` is their plural, as messages name them.
 */
#define tg_array_reserve(at, capacity, needed, what)                                               \
	({                                                                                         \
		size_t capacity_ = (capacity);                                                     \
		void *grown_ = tg_array_grow((at), &capacity_, (needed), sizeof(*(at)), (what));   \
		if (grown_) {                                                                      \
			(at) = grown_;                                                             \
			(capacity) = (__typeof__(capacity))capacity_;                              \
		}                                                                                  \
		grown_ ? 0 : -ENOMEM;                                                              \
	})

#endif
