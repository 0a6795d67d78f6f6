/* SPDX-License-Identifier: MIT */
/* value.h - items of fields that are one number or name: ports, users, commands … */
#ifndef TG_PARSE_VALUE_H
#define TG_PARSE_VALUE_H

#include <stdbool.h>

#include "base/interval.h"
#include "system/cgroup_chain.h"
#include "tidegate.h"

/* The kernel keeps this much of a command's name, and a NUL. */
#define TG_COMM_CHARACTERS 15

struct tg_value {
	bool negated;
	bool and_mptcp; /* "tcp", which includes IPPROTO_MPTCP */
	struct tg_key128 first, last;
	struct tg_cgroup_chain cgroup; /* of TG_FIELD_CGROUP, instead of the above */
};

/* "tcp" for IPPROTO_TCP; NULL: policies have no name for the number. */
const char *tg_proto_name(uint32_t number);

/* The name of a type of sockets; NULL: it has none. */
const char *tg_type_name(uint32_t number);

/*
 * Read an item of any field except endpoints.  With `numeric`, names of services, users
 * and groups are refused.
 */
int tg_value_parse(enum tg_field field, const char *item, bool numeric, struct tg_value *value);

#endif
