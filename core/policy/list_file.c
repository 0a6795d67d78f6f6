/* SPDX-License-Identifier: MIT */
/* list_file.c - lists of patterns in files. */
#include "base/text_file.h"
#include "policy/list.h"

static int add_item(void *list, const char *item)
{
	return tg_list_add(list, item);
}

int tg_list_load(struct tg_list *list, const char *path)
{
	struct tg_list *loaded;
	int error = tg_list_copy(&loaded, list);

	/* All or none: into a copy, which then takes the list's place. */
	if (error)
		return error;
	error = tg_lines_each(path, add_item, loaded);
	if (!error)
		error = tg_list_normalise(loaded);
	if (!error) {
		struct tg_list old = *list;

		*list = *loaded;
		*loaded = old;
	}
	tg_list_free(loaded);
	return error;
}
