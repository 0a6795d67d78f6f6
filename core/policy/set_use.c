/* SPDX-License-Identifier: MIT */
/* set_use.c - where a list names live sets. */
#include "policy/set_use.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int no_memory(void)
{
	return tg_fail(-ENOMEM, "out of memory: no room for the name of a set");
}

int tg_set_uses_add(struct tg_set_uses *uses, const char *set, struct tg_set_use **use)
{
	struct tg_set_use *at = realloc(uses->at, (uses->count + 1) * sizeof(*at));
	char *name = set ? strdup(set) : NULL;

	if (at)
		uses->at = at;
	if (!at || (set && !name)) {
		free(name);
		return no_memory();
	}
	uses->at[uses->count] = (struct tg_set_use){.set = name};
	*use = &uses->at[uses->count++];
	return 0;
}

int tg_set_use_less(struct tg_set_use *use, const char *set)
{
	char *name;

	for (uint32_t i = 0; i < use->not_count; i++)
		if (!strcmp(use->except[i], set))
			return 0;
	if (use->not_count == sizeof(use->except) / sizeof(*use->except))
		return tg_fail(-E2BIG, "a list names at most %zu sets that addresses are not in",
			       sizeof(use->except) / sizeof(*use->except));
	name = strdup(set);
	if (!name)
		return no_memory();
	use->except[use->not_count++] = name;
	return 0;
}

int tg_set_uses_append(struct tg_set_uses *uses, const struct tg_set_uses *other,
		       char *const except[], uint32_t not_count)
{
	int error = 0;

	for (size_t i = 0; i < other->count && !error; i++) {
		const struct tg_set_use *from = &other->at[i];
		struct tg_set_use *use;

		error = tg_set_uses_add(uses, from->set, &use);
		if (!error)
			error = tg_products_copy(&use->products, &from->products);
		for (uint32_t k = 0; k < from->not_count && !error; k++)
			error = tg_set_use_less(use, from->except[k]);
		for (uint32_t k = 0; k < not_count && !error; k++)
			error = tg_set_use_less(use, except[k]);
	}
	return error;
}

void tg_set_uses_free(struct tg_set_uses *uses)
{
	for (size_t i = 0; i < uses->count; i++) {
		free(uses->at[i].set);
		for (uint32_t k = 0; k < uses->at[i].not_count; k++)
			free(uses->at[i].except[k]);
		tg_products_free(&uses->at[i].products);
	}
	free(uses->at);
	*uses = (struct tg_set_uses){0};
}
