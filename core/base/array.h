/* SPDX-License-Identifier: MIT */
/* array.h - arrays that grow by doubling their capacity. */
#ifndef TG_BASE_ARRAY_H
#define TG_BASE_ARRAY_H

#include <errno.h>
#include <stddef.h>

/*
 * Return `at` with room for at least `needed` elements of `bytes` each, and set
 * *capacity to the number that it has room for.  NULL: out of memory; tg_error()
 * says "no room for NEEDED WHAT", and the array is unchanged.
 */
void *tg_array_grow(void *at, size_t *capacity, size_t needed, size_t bytes, const char *what);

/*
 * Make room for `needed` elements in the array `at`, whose capacity is
 * `capacity`; both are lvalues.  Returns 0 or -ENOMEM.  `what` is the plural by
 * which messages name the elements.
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
