/* SPDX-License-Identifier: MIT */
/*
 * structs.c - each public struct as callers of other releases give it.
 *
 * A struct is allocated with exactly the bytes that its `size` says, so that the
 * sanitizer, which the library is built with too, sees every byte too many.  The
 * argument is the folder of a cgroup, which may be attached to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/c/check.h"
#include "spec/c/struct_rows.h"
#include "tidegate.h"

/* What a newer release has more, and what stands in bytes that nobody may write. */
enum { MORE = 24, FILL = 0xa5 };

static uint32_t elements_of(const struct row *row)
{
	return row->elements ? row->elements : 1;
}

/*
 * Elements of `stride` bytes each.  What is given is valid, and zero in what this release does
 * not know; what is a result has FILL in all but the size.
 */
static unsigned char *make(const struct row *row, size_t stride)
{
	uint32_t count = elements_of(row);
	unsigned char *first = malloc(count * stride);

	memset(first, row->way & GIVEN ? 0 : FILL, count * stride);
	for (uint32_t i = 0; i < count; i++) {
		unsigned char *element = first + i * stride;

		if (i == 0 || row->way & GIVEN)
			memcpy(element, &stride, sizeof(stride));
		if (row->fill && stride >= row->size)
			row->fill(element, i);
	}
	return first;
}

static void fail(const struct row *row, const char *what, int result)
{
	fprintf(stderr, "%s: %s: %d: %s\n", row->name, what, result, tg_error());
	exit(1);
}

static void present_callers_work(const struct row *row)
{
	unsigned char *first = make(row, row->size);
	int result = row->call(first, elements_of(row));
	size_t size;

	memcpy(&size, first, sizeof(size));
	if (result < 0 || size != row->size)
		fail(row, "its own size", result);
	free(first);
}

static void newer_callers_work(const struct row *row)
{
	size_t stride = row->size + MORE;
	unsigned char *first = make(row, stride);
	int result = row->call(first, elements_of(row));
	unsigned char beyond = row->way & GIVEN ? 0 : FILL;

	if (result < 0)
		fail(row, "a longer struct", result);
	for (uint32_t i = 0; i < elements_of(row); i++) {
		for (size_t at = row->size; at < stride; at++) {
			if (first[i * stride + at] != beyond)
				fail(row, "it wrote what the library does not know", (int)at);
		}
	}
	free(first);
}

/* A newer caller that asks for what this release does not have. */
static void unknown_members_are_refused(const struct row *row)
{
	size_t stride = row->size + MORE;

	for (uint32_t i = 0; i < elements_of(row) && row->way & GIVEN; i++) {
		unsigned char *first = make(row, stride);
		int result;

		first[i * stride + stride - 1] = 1;
		result = row->call(first, elements_of(row));
		if (result != -E2BIG || !strstr(tg_error(), "only knows the first"))
			fail(row, "a member that is not known", result);
		free(first);
	}
}

static void short_sizes_are_refused(const struct row *row)
{
	size_t sizes[] = {0, 1, 8, row->size - 1};

	for (unsigned i = 0; i < 4; i++) {
		unsigned char *first = make(row, row->size), *before = malloc(row->size);
		int result;

		memcpy(first, &sizes[i], sizeof(sizes[i]));
		memcpy(before, first, row->size);
		result = row->call(first, elements_of(row));
		if (result != -EINVAL || !strstr(tg_error(), "set it to sizeof(struct tg_"))
			fail(row, "a size that is too small", result);
		if (memcmp(before, first, row->size))
			fail(row, "it wrote although it failed", 0);
		free(first);
		free(before);
	}
}

static void unknown_bits_are_refused(const struct row *row)
{
	const long places[] = {row->flags, row->reserved};

	for (unsigned i = 0; i < 2; i++) {
		unsigned char *first = make(row, row->size);
		int result;

		if (places[i]) {
			first[places[i] + 3] = 0x80;
			result = row->call(first, elements_of(row));
			if (result != -EINVAL || !*tg_error())
				fail(row, i ? "a reserved member" : "an unknown flag", result);
		}
		free(first);
	}
}

int main(int count, char **arguments)
{
	CHECK(count == 2);
	make_objects(arguments[1]);
	for (size_t i = 0; i < struct_row_count; i++) {
		present_callers_work(&struct_rows[i]);
		newer_callers_work(&struct_rows[i]);
		unknown_members_are_refused(&struct_rows[i]);
		short_sizes_are_refused(&struct_rows[i]);
		unknown_bits_are_refused(&struct_rows[i]);
	}
	free_objects();
	puts("ok");
	return 0;
}
