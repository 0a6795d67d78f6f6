/* SPDX-License-Identifier: MIT */
/* set_use.c - live sets that a list names. */
#include "policy/set_use.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

static int no_memory(void)
{
	return tg_fail(-ENOMEM, "out of memory: no room for the name of a set");
}

int tg_set_uses_add(struct tg_set_uses *uses, const char *set, struct tg_set_use **use)
{
	int error = tg_array_reserve(uses->at, uses->capacity, uses->count + 1, "uses of sets");
	char *name = NULL;

	if (error)
		return error;
	if (set) {
		name = strdup(set);
		if (!name)
			return no_memory();
	}
	uses->at[uses->count] = (struct tg_set_use){.set = name};
	*use = &uses->at[uses->count++];
	return 0;
}

int tg_set_use_less(struct tg_set_use *use, const char *set)
{
	char *name;

	for (uint32_t i = 0; i < use->except_count; i++)
		if (!strcmp(use->except[i], set))
			return 0;
	if (use->except_count == sizeof(use->except) / sizeof(*use->except))
		return tg_fail(-E2BIG, "a list names at most %zu excluded sets",
			       sizeof(use->except) / sizeof(*use->except));
	name = strdup(set);
	if (!name)
		return no_memory();
	use->except[use->except_count++] = name;
	return 0;
}

struct tg_set_use *tg_set_uses_find(const struct tg_set_uses *uses, const char *set)
{
	for (size_t i = 0; i < uses->count; i++) {
		struct tg_set_use *use = &uses->at[i];

		if (use->set && !use->except_count && !strcmp(use->set, set))
			return use;
	}
	return NULL;
}

static bool names(const struct tg_set_use *use, const char *set)
{
	for (uint32_t i = 0; i < use->except_count; i++)
		if (!strcmp(use->except[i], set))
			return true;
	return use->set && !strcmp(use->set, set);
}

bool tg_set_uses_name(const struct tg_set_uses *uses, const char *set)
{
	for (size_t i = 0; i < uses->count; i++)
		if (names(&uses->at[i], set))
			return true;
	return false;
}

int tg_set_uses_append(struct tg_set_uses *uses, const struct tg_set_uses *other)
{
	int error = 0;

	for (size_t i = 0; i < other->count && !error; i++) {
		const struct tg_set_use *from = &other->at[i];
		struct tg_set_use *use;

		error = tg_set_uses_add(uses, from->set, &use);
		if (!error)
			error = tg_products_copy(&use->products, &from->products);
		for (uint32_t k = 0; k < from->except_count && !error; k++)
			error = tg_set_use_less(use, from->except[k]);
	}
	return error;
}

void tg_set_uses_free(struct tg_set_uses *uses)
{
	for (size_t i = 0; i < uses->count; i++) {
		free(uses->at[i].set);
		for (uint32_t k = 0; k < uses->at[i].except_count; k++)
			free(uses->at[i].except[k]);
		tg_products_free(&uses->at[i].products);
	}
	free(uses->at);
	*uses = (struct tg_set_uses){0};
}
