/* SPDX-License-Identifier: MIT */
/*
 * ask.c - a query as the hooks would read the call.
 *
 * What the programs take from the kernel, this file takes from the query.
 */
#include "simulate/ask.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/error.h"
#include "bpf/engine/match.h"
#include "bpf/engine/match_sets.h"
#include "bpf/engine/path_rank.h"
#include "bpf/engine/tree_search.h"
#include "image/image_tables.h"
#include "parse/address.h"

#define MANY 1 /* sections may have more than 64 terms */

/* View the image, and the tables that sets and services are looked up in; NULL: its own. */
static int view_image(const struct tg_image *image, const struct tg_table_rows *tables,
		      struct tg_view *view, struct tg_keys *keys)
{
	size_t size;

	view->rows = tg_image_bytes(image, &size);
	view->count = (uint32_t)(size / TG_ROW_BYTES);
	view->tables = tables;
	if (!tables) {
		int error = tg_image_tables(image, &view->tables);

		if (error)
			return error;
	}
	keys->tables = view->tables;
	return 0;
}

static uint32_t asked_family(const struct tg_query *query)
{
	if (query->family)
		return query->family;
	return tg_bytes_are_mapped(query->addr) ? AF_INET : AF_INET6;
}

/* Whether :: is asked for by a socket that is bound to a mapped address: it means 127.0.0.1. */
static bool means_loopback4(const struct tg_query *query)
{
	return !tg_be64(query->addr) && !tg_be64(query->addr + 8) &&
	       tg_bytes_are_mapped(query->source);
}

/* The family of the hook: a datagram to an IPv4 address runs sendmsg4, whatever its socket. */
static uint32_t query_family(const struct tg_query *query)
{
	if (query->op == TG_OP_SENDMSG &&
	    (tg_bytes_are_mapped(query->addr) || means_loopback4(query)))
		return AF_INET;
	return asked_family(query);
}

/* Replace 0.0.0.0 and :: by what they mean, like tg_call_unspecified() in the programs. */
static void query_unspecified(const struct tg_query *query, struct tg_keys *keys)
{
	if (!(TG_OPS_EGRESS >> query->op & 1))
		return;
	if (keys->is4 && !keys->addr4 && tg_bytes_are_mapped(query->source))
		keys->addr4 = (uint32_t)tg_be64(query->source + 8);
	else if (means_loopback4(query))
		keys->is4 = 1;
	/* Trees give both the same class; tables do not. */
	if (!keys->addr4)
		keys->addr4 = TG_LOOPBACK4;
	if (!keys->addr6[0] && !keys->addr6[1])
		keys->addr6[1] = 1;
}

/* The keys of a unix socket's call, except its path. */
static int unix_keys(const struct tg_query *query, struct tg_keys *keys)
{
	if (!query->path_bytes || query->path_bytes > TG_PATH_BYTES)
		return tg_fail(-EINVAL, "query: a unix socket's path has 1 to %d bytes",
			       TG_PATH_BYTES);
	*keys = (struct tg_keys){
		.comm = {tg_be64(query->comm), tg_be64(query->comm + 8)},
		.proto = query->proto,
		.family = AF_UNIX,
		.uid = query->uid,
		.gid = query->gid,
		.pid = query->pid,
	};
	return 0;
}

/* The rank of the path among the boundaries of a section. */
static int rank_query(const struct tg_view *view, const struct tg_query *query, uint32_t row,
		      struct tg_keys *keys)
{
	__u64 words_be[TG_PATH_WORDS] = {0};
	int rank;

	memcpy(words_be, query->path, sizeof(query->path));
	rank = tg_path_rank(view, row, words_be);
	if (rank < 0)
		return rank;
	keys->path = (uint32_t)rank;
	return 0;
}

static int query_keys(const struct tg_query *query, struct tg_keys *keys)
{
	bool mapped = tg_bytes_are_mapped(query->addr);
	uint32_t family = asked_family(query);

	if (query->op >= TG_OP_COUNT)
		return tg_fail(-EINVAL, "query: there is no operation %u", query->op);
	if (tg_query_is_unix(query))
		return unix_keys(query, keys);
	if (family != AF_INET && family != AF_INET6)
		return tg_fail(-EINVAL, "query: family %u is neither inet, inet6 nor unix", family);
	if (family == AF_INET && !mapped)
		return tg_fail(-EINVAL, "query: an IPv4 socket has no IPv6 address");
	if (query->port > 65535)
		return tg_fail(-EINVAL, "query: port %u is over 65535", query->port);
	*keys = (struct tg_keys){
		.addr6 = {tg_be64(query->addr), tg_be64(query->addr + 8)},
		.comm = {tg_be64(query->comm), tg_be64(query->comm + 8)},
		.addr4 = (uint32_t)tg_be64(query->addr + 8),
		.is4 = mapped,
		.port = query->port,
		.proto = query->proto,
		.family = query_family(query),
		.uid = query->uid,
		.gid = query->gid,
		.pid = query->pid,
	};
	query_unspecified(query, keys);
	return 0;
}

/* The query's value of a rare field, as a key. */
static void rare_value(const struct tg_query *query, enum tg_key key, uint64_t *high, uint64_t *low)
{
	bool stream = query->proto == IPPROTO_TCP || query->proto == IPPROTO_MPTCP;
	uint32_t type = query->sock_type ? query->sock_type : stream ? SOCK_STREAM : SOCK_DGRAM;
	const struct {
		uint64_t high, low;
	} values[TG_KEYS - TG_KEY_RARE] = {
		[TG_KEY_TYPE - TG_KEY_RARE] = {0, type},
		[TG_KEY_MARK - TG_KEY_RARE] = {0, query->mark},
		[TG_KEY_DEVICE - TG_KEY_RARE] = {0, query->device},
		[TG_KEY_SOURCE4 - TG_KEY_RARE] = {0, (uint32_t)tg_be64(query->source + 8)},
		[TG_KEY_SOURCE6 -
			TG_KEY_RARE] = {tg_be64(query->source), tg_be64(query->source + 8)},
		[TG_KEY_SOURCE_PORT - TG_KEY_RARE] = {0, query->source_port},
		[TG_KEY_EXE - TG_KEY_RARE] = {query->exe_device, query->exe_inode},
		[TG_KEY_NETNS - TG_KEY_RARE] = {query->netns, 0},
	};

	*high = values[key - TG_KEY_RARE].high;
	*low = values[key - TG_KEY_RARE].low;
}

/* The class of the deepest named cgroup that the task is in. */
static int cgroup_class(const struct tg_query *query, const struct tg_view *view,
			const struct tg_section *section)
{
	int cls = 0;

	for (uint32_t i = 0; !cls && i < section->levels && i < TG_CGROUP_LEVELS; i++) {
		uint32_t level =
			section->level[i] > TG_CGROUP_DEPTH ? TG_CGROUP_DEPTH : section->level[i];
		uint64_t id = query->cgroup[level];

		/* A query without a cgroup is about the root. */
		if (!level && !id)
			id = TG_ROOT_CGROUP;
		cls = tg_class128(view, &section->tree[TG_KEY_CGROUP], id, 0);
	}
	return cls;
}

/* Whether the socket's own address is an IPv4 one. */
static bool own_is4(const struct tg_query *query)
{
	return tg_bytes_are_mapped(query->source) || query_family(query) == AF_INET;
}

/* Like tg_own_sets() in the programs. */
static void note_own_sets(const struct tg_query *query, const struct tg_section *section,
			  struct tg_keys *keys)
{
	uint64_t high = tg_be64(query->source), low = tg_be64(query->source + 8);

	if (own_is4(query)) {
		high = 0;
		low = TG_MAPPED_LO | (uint32_t)low;
	}
	keys->sets = tg_own_sets_with(section, keys, high, low);
}

/* Like tg_rare_classify() in the programs. */
static int classify_rare(const struct tg_query *query, const struct tg_view *view,
			 const struct tg_section *section, struct tg_keys *keys)
{
	tg_start_rare(section, keys);
	tg_ask_own(keys, own_is4(query));
	for (int key = TG_KEY_RARE; key < TG_KEYS; key++) {
		const struct tg_tree *tree = &section->tree[key];
		uint64_t high, low;
		int cls;

		if (key == TG_KEY_CGROUP) {
			cls = cgroup_class(query, view, section);
		} else {
			rare_value(query, key, &high, &low);
			cls = TG_KEYS_128 & 1u << key ? tg_class128(view, tree, high, low)
						      : tg_class32(view, tree, (uint32_t)low);
		}
		if (tg_take_rare(view, section, MANY, keys, key, cls))
			return -EFAULT;
	}
	return 0;
}

/* Find the section that a query is about, and the keys that depend on the section. */
static int ask_section(const struct tg_query *query, struct tg_asked *asked)
{
	struct tg_view *view = &asked->view;
	int row, error;

	if (!tg_query_is_unix(query)) {
		error = tg_find_section(view, (enum tg_op)query->op, &asked->section);
	} else {
		row = tg_unix_section(view, (enum tg_op)query->op);
		asked->section = row > 0 ? tg_rows(view, (uint32_t)row, TG_SECTION_ROWS) : NULL;
		error = row < 0 || (row && !asked->section) ? -EFAULT : 0;
		if (!error && asked->section)
			error = rank_query(view, query, (uint32_t)row, &asked->keys);
	}
	if (!error && asked->section)
		error = classify_rare(query, view, asked->section, &asked->keys);
	if (!error && asked->section)
		note_own_sets(query, asked->section, &asked->keys);
	return error;
}

int tg_ask(const struct tg_image *image, const struct tg_table_rows *tables,
	   const struct tg_query *query, struct tg_asked *asked)
{
	int error = query_keys(query, &asked->keys);

	if (!error)
		error = view_image(image, tables, &asked->view, &asked->keys);
	if (!error && ask_section(query, asked))
		error = tg_fail_damaged();
	return error;
}
