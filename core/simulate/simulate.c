/* SPDX-License-Identifier: MIT */
/*
 * simulate.c - deciding a call without the kernel.
 *
 * The matching is the programs' own source, compiled here over an image in
 * memory; what this file adds is only what the kernel's hooks do around it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "bpf/engine/match.h"
#include "bpf/engine/path_rank.h"
#include "parse/address.h"
#include "parse/backend.h"
#include "base/error.h"
#include "image/image_tables.h"
#include "simulate/simulate.h"
#include "tidegate.h"

#define MANY 1

static bool is_mapped(const uint8_t addr[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr, prefix, sizeof(prefix));
}

/* The image, and the tables that the keys are looked up in; NULL: as they are at first. */
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
	return is_mapped(query->addr) ? AF_INET : AF_INET6;
}

/* Whether :: is asked for on a socket that is bound to a mapped address: it means 127.0.0.1. */
static bool means_loopback4(const struct tg_query *query)
{
	return !tg_be64(query->addr) && !tg_be64(query->addr + 8) && is_mapped(query->from);
}

/* The hook's: a datagram to an IPv4 address runs sendmsg4, whatever its socket. */
static uint32_t query_family(const struct tg_query *query)
{
	if (query->op == TG_OP_SENDMSG && (is_mapped(query->addr) || means_loopback4(query)))
		return AF_INET;
	return asked_family(query);
}

/* Where 0.0.0.0 and :: lead, as the programs see it: see tg_call_unspecified(). */
static void query_unspecified(const struct tg_query *query, struct tg_keys *keys)
{
	if (query->op != TG_OP_CONNECT && query->op != TG_OP_SENDMSG)
		return;
	if (keys->is4 && !keys->addr4 && is_mapped(query->from))
		keys->addr4 = (uint32_t)tg_be64(query->from + 8);
	else if (means_loopback4(query))
		keys->is4 = 1;
	/* Trees take one for the other; tables do not. */
	if (!keys->addr4)
		keys->addr4 = TG_LOOPBACK4;
	if (!keys->addr6[0] && !keys->addr6[1])
		keys->addr6[1] = 1;
}

/* The keys of a unix socket's call, but its path. */
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
	bool mapped = is_mapped(query->addr);
	uint32_t family = asked_family(query);

	if (query->op >= TG_OPS)
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

/* What a query says of the rare fields, as classes take it. */
static void rare_value(const struct tg_query *query, enum tg_key key, uint64_t *high, uint64_t *low)
{
	bool stream = query->proto == IPPROTO_TCP || query->proto == IPPROTO_MPTCP;
	uint32_t type = query->type ? query->type : stream ? SOCK_STREAM : SOCK_DGRAM;
	const struct {
		uint64_t high, low;
	} values[TG_KEYS - TG_KEY_RARE] = {
		[TG_KEY_TYPE - TG_KEY_RARE] = {0, type},
		[TG_KEY_MARK - TG_KEY_RARE] = {0, query->mark},
		[TG_KEY_DEVICE - TG_KEY_RARE] = {0, query->device},
		[TG_KEY_FROM4 - TG_KEY_RARE] = {0, (uint32_t)tg_be64(query->from + 8)},
		[TG_KEY_FROM6 - TG_KEY_RARE] = {tg_be64(query->from), tg_be64(query->from + 8)},
		[TG_KEY_FROM_PORT - TG_KEY_RARE] = {0, query->from_port},
		[TG_KEY_EXE - TG_KEY_RARE] = {query->exe_device, query->exe_inode},
		[TG_KEY_NETNS - TG_KEY_RARE] = {query->netns, 0},
	};

	*high = values[key - TG_KEY_RARE].high;
	*low = values[key - TG_KEY_RARE].low;
}

/* The deepest named cgroup that the task is in decides. */
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
			id = ROOT_CGROUP;
		cls = tg_class128(view, &section->tree[TG_KEY_CGROUP], id, 0);
	}
	return cls;
}

/* Whether the socket's own address is an IPv4 one. */
static bool own_is4(const struct tg_query *query)
{
	return is_mapped(query->from) || query_family(query) == AF_INET;
}

/* As tg_own_sets() does. */
static void note_own_sets(const struct tg_query *query, const struct tg_section *section,
			  struct tg_keys *keys)
{
	uint64_t high = tg_be64(query->from), low = tg_be64(query->from + 8);

	if (own_is4(query)) {
		high = 0;
		low = TG_MAPPED_LO | (uint32_t)low;
	}
	keys->sets = tg_own_sets_with(section, keys, high, low);
}

/* As tg_rare_classify() does. */
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

/* A datagram without an address goes where its socket is connected: see tg_sendmsg(). */
static bool passes_unseen(const struct tg_query *query)
{
	return query->op == TG_OP_SENDMSG && !query->port && !tg_query_is_unix(query);
}

/* The section that a query is about, and what of its keys depends on that. */
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

static int match_query(const struct tg_query *query, struct tg_asked *asked, struct tg_found *found)
{
	*found = (struct tg_found){0};
	if (!asked->section || passes_unseen(query))
		return 0;
	return tg_match(&asked->view, asked->section, &asked->keys, TG_ALL_KEYS, found);
}

static int fill_path(const struct tg_view *view, const struct tg_term *term,
		     const struct tg_query *query, struct tg_decision *decision)
{
	const struct tg_unix_path *target;

	if (!(term->effects & TG_EFFECT_TO_ADDR))
		return 0;
	target = tg_path_target(view, (__u64)tg_unix_section(view, (enum tg_op)query->op), term);
	if (!target)
		return -EFAULT;
	memcpy(decision->path, target->at, sizeof(decision->path));
	decision->path_bytes = (uint32_t)target->bytes;
	return 0;
}

static void fill_decision(const struct tg_term *term, const struct tg_query *query,
			  struct tg_decision *decision)
{
	decision->rule = term->rule;
	decision->verb = term->verb;
	decision->logs = term->effects & TG_EFFECT_LOG;
	decision->privileged = term->effects & TG_EFFECT_PRIVILEGED;
	if (term->verb == TG_VERB_DENY)
		decision->error = term->error;
	if (tg_query_is_unix(query))
		return;
	if (term->verb == TG_VERB_REWRITE && (term->effects & TG_EFFECT_TO_ADDR))
		memcpy(decision->addr, term->to_addr_be, 16);
	if (term->verb == TG_VERB_REWRITE && (term->effects & TG_EFFECT_TO_PORT))
		decision->port = ntohs(term->to_port_be);
	if (term->effects & TG_EFFECT_SOURCE) {
		memcpy(decision->source, term->source_addr_be, 16);
		decision->source_port = ntohs(term->source_port_be);
	}
}

int tg_decide(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, struct tg_decision *decision)
{
	struct tg_decision made = {.size = sizeof(made),
				   .rule = TG_RULE_DEFAULT,
				   .verb = TG_VERB_ALLOW,
				   .port = query->port,
				   .path_bytes = query->path_bytes};
	struct tg_asked asked;
	struct tg_found found;
	int error = tg_ask(image, tables, query, &asked);

	if (error)
		return error;
	memcpy(made.addr, query->addr, 16);
	memcpy(made.path, query->path, sizeof(made.path));
	error = match_query(query, &asked, &found);
	if (!error && found.term && tg_query_is_unix(query))
		error = fill_path(&asked.view, found.term, query, &made);
	if (!error && found.term && found.term->verb == TG_VERB_BALANCE)
		error = tg_balance_decide(&asked, found.term, query, &made);
	if (error)
		return tg_fail_damaged();
	if (found.term)
		fill_decision(found.term, query, &made);
	*decision = made;
	return 0;
}

int tg_choice(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, uint32_t index, struct tg_backend_info *info)
{
	struct tg_backend_rows list = {0};
	const struct tg_term_rest *rest;
	struct tg_asked asked;
	struct tg_found found;
	int error = tg_ask(image, tables, query, &asked);

	if (error)
		return error;
	if (match_query(query, &asked, &found))
		return tg_fail_damaged();
	if (found.term && found.term->verb == TG_VERB_BALANCE) {
		rest = tg_row(&asked.view, found.term->rest_row);
		if (rest)
			tg_balance_list(&asked, rest, &list);
	}
	if (index >= list.count)
		return tg_fail(-ERANGE, "the call has no backend %u", index);
	tg_backend_rows_read(&list, index, info);
	return 0;
}

int tg_image_choice(const struct tg_image *image, const struct tg_query *query, uint32_t index,
		    struct tg_backend_info *info)
{
	return tg_choice(image, NULL, query, index, info);
}

int tg_image_decide(const struct tg_image *image, const struct tg_query *query,
		    struct tg_decision *decision)
{
	return tg_decide(image, NULL, query, decision);
}
