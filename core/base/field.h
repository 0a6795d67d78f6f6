/* SPDX-License-Identifier: MIT */
/*
 * field.h - the fields of a policy, and the keys of an image that they become.
 *
 * Most fields are one key.  An endpoint is several: address, port, or the path
 * of a unix socket.
 */
#ifndef TG_BASE_FIELD_H
#define TG_BASE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/interval.h"
#include "bpf/layout/image_layout.h"
#include "tidegate.h"

/* One key, and the field that it comes from. */
struct tg_field_info {
	enum tg_field field;
	uint32_t bits;      /* of the key: 16, 32 or 128 */
	const char *name;   /* of the field, as in a policy: "uid" */
	const char *plural; /* of the key's values, in messages: "uids" */
	const char *number; /* what messages call one number: "user ID"; NULL: it takes none */
	bool hexadecimal;   /* its numbers may also be hexadecimal */
	size_t in_query;    /* offset of its uint32_t in struct tg_query; 0: it is not one number */
};

/* By enum tg_key. */
extern const struct tg_field_info tg_fields[TG_KEYS];

/* The row of a field; for endpoints, that of one of their keys. */
const struct tg_field_info *tg_field_info(enum tg_field field);

/* The key that a field is; TG_KEYS: the field is an endpoint. */
enum tg_key tg_field_key(enum tg_field field);

/* The largest value of a key. */
struct tg_key128 tg_key_max(enum tg_key key);

/* Whether a field's items are endpoints. */
static inline bool tg_field_is_endpoint(enum tg_field field)
{
	return field == TG_FIELD_ENDPOINT || field == TG_FIELD_SOURCE;
}

#endif
