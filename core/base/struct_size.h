/* SPDX-License-Identifier: MIT */
/*
 * struct_size.h - public structs whose first member is `size`.
 *
 * A caller may be built with an older, shorter struct or with a newer, longer
 * one.  The library does not write or read a member that the caller does not
 * know.  If the caller gives a member that the library does not know, that
 * member must be zero: otherwise the caller asks for something that this
 * library would ignore.  A size below that of the struct's first release is a
 * mistake (often a forgotten assignment).
 *
 * In an array, the size of the first element is the stride of all elements.
 */
#ifndef TG_BASE_STRUCT_SIZE_H
#define TG_BASE_STRUCT_SIZE_H

#include <stddef.h>

/* What these functions must know of a struct. */
struct tg_struct_kind {
	const char *name; /* "tg_rule" */
	size_t first;     /* its size in the first release: never changes */
	size_t now;       /* its sizeof */
};

/* The size of a struct whose last member is this one, without padding. */
#define TG_STRUCT_FIRST(struct_name, last)                                                         \
	(offsetof(struct struct_name, last) + sizeof(((struct struct_name *)0)->last))

/* TG_STRUCT_KIND(tg_rule, 160): the struct and its size in the first release. */
#define TG_STRUCT_KIND(struct_name, first_size)                                                    \
	(&(const struct tg_struct_kind){#struct_name, first_size, sizeof(struct struct_name)})

/*
 * Copy a struct that the caller gives into `own`, with zeros in what the caller
 * does not know; `own->size` becomes its sizeof.  -EINVAL: it is NULL or its size is
 * below the first release's; -E2BIG: it has something that this library does not know.
 * `own` is untouched on failure.
 */
int tg_struct_take(const struct tg_struct_kind *kind, void *own, const void *given);

/* Like tg_struct_take(), for element `index` of an array. */
int tg_struct_take_at(const struct tg_struct_kind *kind, void *own, const void *array,
		      size_t index);

/* Check the size of a struct that a result will be written to.  -EINVAL: see tg_struct_take(). */
int tg_struct_check(const struct tg_struct_kind *kind, const void *result);

/* Write a result to a struct that was checked: all members that the caller knows, except `size`. */
void tg_struct_give(const struct tg_struct_kind *kind, void *result, const void *own);

/*
 * Like tg_struct_give(), for element `index` of an array whose first element was checked.
 * Only the first element's size is read, and the others' is written.
 */
void tg_struct_give_at(const struct tg_struct_kind *kind, void *array, size_t index,
		       const void *own);

#endif
