/* SPDX-License-Identifier: MIT */
/* query.c - queries to the simulator: from their text, and as callers give them. */
#include "simulate/query.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/field.h"
#include "base/struct_size.h"
#include "parse/address.h"
#include "parse/endpoint.h"
#include "parse/value.h"

#define KIND TG_STRUCT_KIND(tg_query, 504)

int tg_query_take(const struct tg_query *given, struct tg_query *query)
{
	int error = tg_struct_take(KIND, query, given);
	bool datagram;

	if (error)
		return error;
	if (query->reserved)
		return tg_fail(-EINVAL, "query: reserved is %u: it must be 0", query->reserved);
	datagram = query->op == TG_OP_SENDMSG || query->op == TG_OP_RECVMSG;
	if (!query->proto && query->family != AF_UNIX)
		query->proto = datagram ? IPPROTO_UDP : IPPROTO_TCP;
	return 0;
}

/* The caller's struct may be longer than ours. */
int tg_query_init(struct tg_query *query)
{
	int error = tg_struct_check(KIND, query);

	if (!error)
		memset((char *)query + sizeof(query->size), 0, query->size - sizeof(query->size));
	return error;
}

static bool is_single(struct tg_key128 first, struct tg_key128 last)
{
	return tg_key128_cmp(first, last) == 0;
}

static void set_address(const struct tg_address_range *range, uint8_t bytes[16])
{
	tg_address_bytes(tg_range_address(range, range->first), bytes);
}

static int set_path(struct tg_query *query, const char *endpoint)
{
	struct tg_path path;
	int error = tg_path_parse_one(endpoint, &path, &query->path_bytes);

	if (error)
		return error;
	memcpy(query->path, path.at, sizeof(query->path));
	query->family = AF_UNIX;
	return 0;
}

int tg_query_endpoint(struct tg_query *query, const char *endpoint)
{
	struct tg_endpoint parsed;
	int error = tg_struct_check(KIND, query);

	if (!error)
		error = TG_REQUIRE(endpoint);
	if (!error && tg_path_is(endpoint))
		return set_path(query, endpoint);
	if (!error)
		error = tg_endpoint_parse(endpoint, &parsed);
	if (error)
		return error;
	if (parsed.negated || !is_single(parsed.ranges[0].first, parsed.ranges[0].last))
		return tg_fail(-EINVAL, "\"%s\": a call has one address, such as 1.2.3.4:80",
			       endpoint);
	if (!parsed.has_port || parsed.port_first != parsed.port_last)
		return tg_fail(-EINVAL, "\"%s\": a call has one port: write %s:80", endpoint,
			       parsed.text_v6 ? "[ADDRESS]" : "ADDRESS");
	set_address(&parsed.ranges[0], query->addr);
	query->port = parsed.port_first;
	query->family = parsed.text_v6 ? AF_INET6 : AF_INET;
	return 0;
}

static int set_comm(struct tg_query *query, const char *text)
{
	if (!*text)
		return tg_fail(-EINVAL, "\"\": a command has a name");
	memset(query->comm, 0, sizeof(query->comm));
	/* A longer name is cut, as the kernel does. */
	memcpy(query->comm, text, strnlen(text, TG_COMM_CHARACTERS));
	return 0;
}

static int set_source(struct tg_query *query, const char *text)
{
	struct tg_endpoint parsed;
	int error = tg_endpoint_parse(text, &parsed);

	if (error)
		return error;
	if (parsed.negated || !is_single(parsed.ranges[0].first, parsed.ranges[0].last))
		return tg_fail(-EINVAL, "\"%s\": a socket has one address, such as 127.0.0.1:5000",
			       text);
	if (parsed.has_port && parsed.port_first != parsed.port_last)
		return tg_fail(-EINVAL, "\"%s\": a socket has one port", text);
	set_address(&parsed.ranges[0], query->source);
	query->source_port = parsed.has_port ? parsed.port_first : 0;
	return 0;
}

/* Fields that are wider than 32 bits. */
static void set_wide(struct tg_query *query, enum tg_field field, const struct tg_value *value)
{
	if (field == TG_FIELD_NETNS) {
		query->netns = value->first.hi;
	} else if (field == TG_FIELD_EXE) {
		query->exe_device = value->first.hi;
		query->exe_inode = value->first.lo;
	} else {
		memcpy(query->cgroup, value->cgroup.id, sizeof(query->cgroup));
	}
}

static void set_number(struct tg_query *query, size_t offset, uint32_t number)
{
	memcpy((char *)query + offset, &number, sizeof(number));
}

/* Whether an item is one value.  A network namespace is the high half of its key only. */
static bool is_one(enum tg_field field, const struct tg_value *value)
{
	if (field == TG_FIELD_NETNS)
		return value->first.hi == value->last.hi;
	return is_single(value->first, value->last);
}

int tg_query_field(struct tg_query *query, enum tg_field field, const char *text)
{
	struct tg_value value;
	int error = tg_struct_check(KIND, query);

	if (!error)
		error = TG_REQUIRE(text);
	if (error)
		return error;
	if (field == TG_FIELD_ENDPOINT)
		return tg_query_endpoint(query, text);
	if (field == TG_FIELD_SOURCE)
		return set_source(query, text);
	if (field == TG_FIELD_COMM)
		return set_comm(query, text);
	if ((unsigned int)field >= TG_FIELD_COUNT)
		return tg_fail(-EINVAL, "%d is not a field", (int)field);
	error = tg_value_parse(field, text, false, &value);
	if (error)
		return error;
	if (value.negated || !is_one(field, &value))
		return tg_fail(-EINVAL, "\"%s\": a call has one value here", text);
	if (tg_field_info(field)->in_query)
		set_number(query, tg_field_info(field)->in_query, (uint32_t)value.first.lo);
	else
		set_wide(query, field, &value);
	return 0;
}
