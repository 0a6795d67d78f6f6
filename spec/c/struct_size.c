/* SPDX-License-Identifier: MIT */
/*
 * Structs of older and of newer callers, given to base/struct_size.h.  Each is
 * allocated with exactly its size, so that the sanitizer sees a byte too many.
 */
#include "base/struct_size.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spec/c/check.h"
#include "tidegate.h"

/* A struct of this library: its first release ended after `first`. */
struct tg_sample {
	size_t size;
	uint64_t first;
	uint64_t later;
};

static const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_sample, 16);

enum { FIRST = 16, NOW = 24, NEWER = 40 };

/* The bytes of a caller's struct, each `fill`, after its size. */
static unsigned char *given(size_t size, unsigned char fill)
{
	unsigned char *bytes = malloc(size < sizeof(size) ? sizeof(size) : size);

	memset(bytes, fill, size);
	memcpy(bytes, &size, sizeof(size));
	return bytes;
}

static bool all(const unsigned char *bytes, size_t from, size_t to, unsigned char fill)
{
	for (size_t i = from; i < to; i++) {
		if (bytes[i] != fill)
			return false;
	}
	return true;
}

static void takes_what_the_caller_knows(void)
{
	struct tg_sample own = {0};
	unsigned char *older = given(FIRST, 1), *same = given(NOW, 2);

	CHECK(!tg_struct_take(kind, &own, older));
	CHECK(own.size == NOW && own.first == 0x0101010101010101 && own.later == 0);
	CHECK(!tg_struct_take(kind, &own, same));
	CHECK(own.size == NOW && own.later == 0x0202020202020202);
	free(older);
	free(same);
}

static void takes_a_newer_struct_only_with_zeros(void)
{
	struct tg_sample own = {.first = 7};
	unsigned char *newer = given(NEWER, 3);

	for (size_t dirty = NOW; dirty < NEWER; dirty++) {
		memset(newer + NOW, 0, NEWER - NOW);
		newer[dirty] = 9;
		CHECK(tg_struct_take(kind, &own, newer) == -E2BIG);
		CHECK(own.first == 7);
	}
	CHECK(!strcmp(tg_error(), "struct tg_sample: byte 39 is 9, but this library only knows the "
				  "first 24 bytes: set the rest to zero, or use a newer library"));
	memset(newer + NOW, 0, NEWER - NOW);
	CHECK(!tg_struct_take(kind, &own, newer));
	CHECK(own.size == NOW && own.later == 0x0303030303030303);
	free(newer);
}

static void refuses_what_no_release_had(void)
{
	struct tg_sample own = {.first = 7};

	for (size_t size = 0; size < FIRST; size++) {
		unsigned char *small = given(FIRST, 4);

		memcpy(small, &size, sizeof(size));
		CHECK(tg_struct_take(kind, &own, small) == -EINVAL);
		CHECK(tg_struct_check(kind, small) == -EINVAL);
		free(small);
	}
	CHECK(own.first == 7);
	CHECK(!strcmp(tg_error(), "struct tg_sample: its size is 15: set it to "
				  "sizeof(struct tg_sample), 24"));
	CHECK(tg_struct_take(kind, &own, NULL) == -EINVAL);
	CHECK(!strcmp(tg_error(), "struct tg_sample: the pointer to it is NULL"));
}

static void gives_what_the_caller_knows(void)
{
	struct tg_sample own = {NOW, 0x0505050505050505, 0x0606060606060606};
	const size_t sizes[] = {FIRST, NOW, NEWER};

	for (unsigned i = 0; i < 3; i++) {
		unsigned char *result = given(sizes[i], 8);
		size_t size;

		CHECK(!tg_struct_check(kind, result));
		tg_struct_give(kind, result, &own);
		memcpy(&size, result, sizeof(size));
		CHECK(size == sizes[i]);
		CHECK(all(result, 8, 16, 5));
		CHECK(sizes[i] == FIRST || all(result, 16, 24, 6));
		CHECK(sizes[i] != NEWER || all(result, NOW, NEWER, 8));
		free(result);
	}
}

static void the_first_element_says_the_stride(void)
{
	const size_t strides[] = {FIRST, NOW, NEWER};

	for (unsigned i = 0; i < 3; i++) {
		size_t stride = strides[i];
		unsigned char *array = calloc(3, stride);

		memcpy(array, &stride, sizeof(stride));
		for (unsigned n = 0; n < 3; n++) {
			struct tg_sample own = {NOW, 10 + n, 20 + n}, back;

			tg_struct_give_at(kind, array, n, &own);
			CHECK(!tg_struct_take_at(kind, &back, array, n));
			CHECK(back.first == 10 + n);
			CHECK(back.later == (stride == FIRST ? 0 : 20 + n));
		}
		free(array);
	}
}

int main(void)
{
	takes_what_the_caller_knows();
	takes_a_newer_struct_only_with_zeros();
	refuses_what_no_release_had();
	gives_what_the_caller_knows();
	the_first_element_says_the_stride();
	puts("ok");
	return 0;
}
