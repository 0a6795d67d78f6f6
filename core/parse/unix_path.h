/* SPDX-License-Identifier: MIT */
/*
 * unix_path.h - patterns of unix sockets: "unix:/run/x.sock", "unix:/run/" and a star,
 * "unix:@abstract", and sets of paths that they match.
 *
 * A path is a number of 112 bytes, and a pattern is an interval of such numbers.
 * As with addresses, a prefix is all paths from the one that is filled up with
 * zeros to the one that is filled up with ones.
 */
#ifndef TG_PARSE_UNIX_PATH_H
#define TG_PARSE_UNIX_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/layout/image_layout.h"

struct tg_path {
	uint8_t at[TG_PATH_WORDS * 8]; /* big-endian, as in struct tg_path_key */
};

struct tg_path_interval {
	struct tg_path first, last; /* both belong to it */
};

/* Like struct tg_intervals. */
struct tg_path_set {
	struct tg_path_interval *at;
	size_t count;
	size_t capacity;
};

/* Whether the text of an endpoint names unix sockets. */
bool tg_path_is(const char *text);

/* Read "unix:…", a part of `item`. */
int tg_path_parse(const char *item, const char *text, struct tg_path_interval *pattern);

/* Read one path, not a pattern, from "unix:…"; *bytes becomes its length. */
int tg_path_parse_one(const char *text, struct tg_path *path, uint32_t *bytes);

int tg_path_set_add(struct tg_path_set *set, const struct tg_path_interval *interval);
int tg_path_set_add_all(struct tg_path_set *set, const struct tg_path_set *other);
int tg_path_set_normalise(struct tg_path_set *set);
int tg_path_set_copy(struct tg_path_set *out, const struct tg_path_set *set);
int tg_path_set_subtract(struct tg_path_set *out, const struct tg_path_set *a,
			 const struct tg_path_set *b);
void tg_path_set_free(struct tg_path_set *set);

/* The next path, or the previous one; false: there is none. */
bool tg_path_next(struct tg_path *path);
bool tg_path_before(struct tg_path *path);

static inline int tg_path_cmp(const struct tg_path *a, const struct tg_path *b)
{
	return __builtin_memcmp(a->at, b->at, sizeof(a->at));
}

/* All paths. */
extern const struct tg_path_interval tg_path_any;

#endif
