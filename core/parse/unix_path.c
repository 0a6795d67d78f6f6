/* SPDX-License-Identifier: MIT */
/* unix_path.c - patterns of unix sockets, and sets of paths that they match. */
#include "parse/unix_path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

#define PREFIX "unix:"

#define ONES_8   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define ONES_56  ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8
#define ONES_112 ONES_56, ONES_56

const struct tg_path_interval tg_path_any = {.first = {{0}}, .last = {{ONES_112}}};

/* --- Patterns ------------------------------------------------------------------ */

bool tg_path_is(const char *text)
{
	return !strncmp(text, PREFIX, sizeof(PREFIX) - 1);
}

static int check_start(const char *item, const char *name)
{
	if (*name == '/' || *name == '@')
		return 0;
	if (!*name)
		return tg_fail(-EINVAL,
			       "\"%s\": no path after the ':': write unix:/run/x.sock, "
			       "unix:@abstract, or unix:* for every unix socket",
			       item);
	return tg_fail(-EINVAL,
		       "\"%s\": a path starts with '/', and an abstract name with '@': paths are "
		       "matched exactly as programs give them",
		       item);
}

/* `name` is the text behind "unix:".  '@' means the zero byte of an abstract name. */
static int fill_path(const char *item, const char *name, size_t length, struct tg_path *path)
{
	int error = check_start(item, name);

	if (error)
		return error;
	if (length > TG_PATH_BYTES)
		return tg_fail(-EINVAL, "\"%s\": %zu bytes, a unix socket's path has at most %d",
			       item, length, TG_PATH_BYTES);
	memset(path->at, 0, sizeof(path->at));
	memcpy(path->at, name, length);
	if (*name == '@')
		path->at[0] = 0;
	return 0;
}

int tg_path_parse(const char *item, const char *text, struct tg_path_interval *pattern)
{
	const char *name = text + sizeof(PREFIX) - 1, *star = strchr(name, '*');
	size_t length = star ? (size_t)(star - name) : strlen(name);
	int error;

	if (star && star[1])
		return tg_fail(-EINVAL, "\"%s\": '*' may only be at the end: write %.*s*", item,
			       (int)(star - text), text);
	if (star == name) {
		*pattern = tg_path_any;
		return 0;
	}
	error = fill_path(item, name, length, &pattern->first);
	if (error)
		return error;
	pattern->last = pattern->first;
	if (star)
		memset(pattern->last.at + length, 0xff, sizeof(pattern->last.at) - length);
	return 0;
}

int tg_path_parse_one(const char *text, struct tg_path *path, uint32_t *bytes)
{
	const char *name = text + sizeof(PREFIX) - 1;
	int error;

	if (strchr(name, '*'))
		return tg_fail(-EINVAL, "\"%s\": must be one path: '*' stands for many", text);
	error = fill_path(text, name, strlen(name), path);
	if (error)
		return error;
	*bytes = (uint32_t)strlen(name);
	return 0;
}

/* --- Sets ----------------------------------------------------------------------- */

bool tg_path_next(struct tg_path *path)
{
	for (size_t i = sizeof(path->at); i-- > 0;)
		if (++path->at[i])
			return true;
	return false;
}

bool tg_path_before(struct tg_path *path)
{
	for (size_t i = sizeof(path->at); i-- > 0;)
		if (path->at[i]--)
			return true;
	return false;
}

int tg_path_set_add(struct tg_path_set *set, const struct tg_path_interval *interval)
{
	int error = tg_array_reserve(set->at, set->capacity, set->count + 1, "paths");

	if (!error)
		set->at[set->count++] = *interval;
	return error;
}

int tg_path_set_add_all(struct tg_path_set *set, const struct tg_path_set *other)
{
	int error = 0;

	for (size_t i = 0; i < other->count && !error; i++)
		error = tg_path_set_add(set, &other->at[i]);
	return error;
}

static int by_first(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tg_path));
}

int tg_path_set_normalise(struct tg_path_set *set)
{
	size_t kept = 0;

	if (set->count)
		qsort(set->at, set->count, sizeof(*set->at), by_first);
	for (size_t i = 0; i < set->count; i++) {
		struct tg_path_interval *last = kept ? &set->at[kept - 1] : NULL;

		if (!last || tg_path_cmp(&set->at[i].first, &last->last) > 0)
			set->at[kept++] = set->at[i];
		else if (tg_path_cmp(&set->at[i].last, &last->last) > 0)
			last->last = set->at[i].last;
	}
	set->count = kept;
	return 0;
}

int tg_path_set_copy(struct tg_path_set *out, const struct tg_path_set *set)
{
	struct tg_path_set copy = {0};
	int error = tg_path_set_add_all(&copy, set);

	if (error)
		tg_path_set_free(&copy);
	else
		*out = copy;
	return error;
}

/* Add to `out` the parts of an interval that are outside the set. */
static int add_rest(struct tg_path_set *out, struct tg_path_interval rest,
		    const struct tg_path_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct tg_path_interval *cut = &set->at[i];
		struct tg_path_interval front = rest;
		int error;

		if (tg_path_cmp(&cut->last, &rest.first) < 0)
			continue;
		if (tg_path_cmp(&cut->first, &rest.last) > 0)
			break;
		if (tg_path_cmp(&cut->first, &rest.first) > 0) {
			front.last = cut->first;
			tg_path_before(&front.last);
			error = tg_path_set_add(out, &front);
			if (error)
				return error;
		}
		if (tg_path_cmp(&cut->last, &rest.last) >= 0)
			return 0;
		rest.first = cut->last;
		tg_path_next(&rest.first);
	}
	return tg_path_set_add(out, &rest);
}

int tg_path_set_subtract(struct tg_path_set *out, const struct tg_path_set *a,
			 const struct tg_path_set *b)
{
	struct tg_path_set fresh = {0};
	int error = 0;

	for (size_t i = 0; i < a->count && !error; i++)
		error = add_rest(&fresh, a->at[i], b);
	if (error)
		tg_path_set_free(&fresh);
	else
		*out = fresh;
	return error;
}

void tg_path_set_free(struct tg_path_set *set)
{
	free(set->at);
	*set = (struct tg_path_set){0};
}
