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

#include "../bpf/match.h"
#include "../bpf/path.h"
#include "backend.h"
#include "error.h"
#include "image.h"
#include "simulate.h"
#include "tidegate.h"

#define ALL_KEYS ((1ull << TG_KEYS) - 1)
#define MANY     1

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
		int err = tg_image_tables(image, &view->tables);

		if (err)
			return err;
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

static bool is_unix(const struct tg_query *query)
{
	return query->family == AF_UNIX;
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
	if (is_unix(query))
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
	int class = 0;

	for (uint32_t i = 0; !class && i < section->levels && i < TG_CGROUP_LEVELS; i++) {
		uint32_t level =
			section->level[i] > TG_CGROUP_DEPTH ? TG_CGROUP_DEPTH : section->level[i];
		uint64_t id = query->cgroup[level];

		/* A query without a cgroup is about the root. */
		if (!level && !id)
			id = ROOT_CGROUP;
		class = tg_class128(view, &section->tree[TG_KEY_CGROUP], id, 0);
	}
	return class;
}

/* As tg_rare_classify() does. */
static int classify_rare(const struct tg_query *query, const struct tg_view *view,
			 const struct tg_section *section, struct tg_keys *keys)
{
	tg_start_rare(section, keys);
	tg_ask_own(keys, is_mapped(query->from) || (query_family(query) == AF_INET));
	for (int key = TG_KEY_RARE; key < TG_KEYS; key++) {
		const struct tg_tree *tree = &section->tree[key];
		uint64_t high, low;
		int class;

		if (key == TG_KEY_CGROUP) {
			class = cgroup_class(query, view, section);
		} else {
			rare_value(query, key, &high, &low);
			class = TG_KEYS_128 & 1u << key ? tg_class128(view, tree, high, low)
							: tg_class32(view, tree, (uint32_t)low);
		}
		if (tg_take_rare(view, section, MANY, keys, key, class))
			return -EFAULT;
	}
	return 0;
}

/* A datagram without an address goes where its socket is connected: see tg_sendmsg(). */
static bool passes_unseen(const struct tg_query *query)
{
	return query->op == TG_OP_SENDMSG && !query->port && !is_unix(query);
}

static int match_query(const struct tg_view *view, const struct tg_query *query,
		       struct tg_keys *keys, struct tg_found *found)
{
	const struct tg_section *section;
	int row, err;

	if (!is_unix(query)) {
		err = tg_find_section(view, (enum tg_op)query->op, &section);
	} else {
		row = tg_unix_section(view, (enum tg_op)query->op);
		section = row > 0 ? tg_rows(view, (uint32_t)row, TG_SECTION_ROWS) : NULL;
		err = row < 0 || (row && !section) ? -EFAULT : 0;
		if (!err && section)
			err = rank_query(view, query, (uint32_t)row, keys);
	}
	if (!err && section)
		err = classify_rare(query, view, section, keys);
	if (err || !section)
		return err;
	return tg_match(view, section, keys, ALL_KEYS, found);
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
	if (is_unix(query))
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
	struct tg_found found = {0};
	struct tg_keys keys;
	struct tg_view view;
	int err = query_keys(query, &keys);

	if (err)
		return err;
	memcpy(made.addr, query->addr, 16);
	memcpy(made.path, query->path, sizeof(made.path));
	err = view_image(image, tables, &view, &keys);
	if (err)
		return err;
	if (!passes_unseen(query))
		err = match_query(&view, query, &keys, &found);
	if (!err && found.term && is_unix(query))
		err = fill_path(&view, found.term, query, &made);
	if (!err && found.term && found.term->verb == TG_VERB_BALANCE)
		err = tg_balance_decide(&view, found.term, query, &made);
	if (err)
		return tg_fail(-EINVAL, "damaged image: a reference leads outside it");
	if (found.term)
		fill_decision(found.term, query, &made);
	*decision = made;
	return 0;
}

int tg_choice(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, uint32_t index, struct tg_backend_info *info)
{
	const struct tg_block *list = NULL;
	const struct tg_more *more;
	struct tg_found found = {0};
	struct tg_keys keys;
	struct tg_view view;
	int err = query_keys(query, &keys);

	if (!err)
		err = view_image(image, tables, &view, &keys);
	if (err)
		return err;
	if (!passes_unseen(query) && match_query(&view, query, &keys, &found))
		return tg_fail(-EINVAL, "damaged image: a reference leads outside it");
	if (found.term && found.term->verb == TG_VERB_BALANCE) {
		more = tg_row(&view, found.term->more_row);
		list = more ? tg_balance_list(&view, more, query) : NULL;
	}
	if (!list || list->backends > TG_MAX_BACKENDS || index >= list->backends)
		return tg_fail(-ERANGE, "the call has no backend %u", index);
	tg_block_read(list, index, info);
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

/* Whether `term` is among those of the call's class in one field: 1, 0 or -EFAULT. */
static int holds(const struct tg_view *view, const struct tg_section *section,
		 const struct tg_keys *keys, enum tg_key key, uint32_t term)
{
	int class = tg_classify(view, section, keys, key);
	const __u64 *word;

	if (class < 0)
		return -EFAULT;
	word = tg_word(view, (uint64_t)section->tree[key].bitset * 8 + (uint32_t) class);
	if (!word)
		return -EFAULT;
	if (section->terms <= TG_WORD_TERMS)
		return *word >> term & 1;
	return tg_head_has(view, *word, term);
}

static enum tg_field field_of(enum tg_key key)
{
	static const uint8_t fields[TG_KEYS] = {
		[TG_KEY_ADDR4] = TG_FIELD_ENDPOINT, [TG_KEY_ADDR6] = TG_FIELD_ENDPOINT,
		[TG_KEY_PORT] = TG_FIELD_PORT,      [TG_KEY_PROTO] = TG_FIELD_PROTO,
		[TG_KEY_FAMILY] = TG_FIELD_FAMILY,  [TG_KEY_UID] = TG_FIELD_UID,
		[TG_KEY_GID] = TG_FIELD_GID,        [TG_KEY_PID] = TG_FIELD_PID,
		[TG_KEY_COMM] = TG_FIELD_COMM,      [TG_KEY_PATH] = TG_FIELD_ENDPOINT,
		[TG_KEY_TYPE] = TG_FIELD_TYPE,      [TG_KEY_MARK] = TG_FIELD_MARK,
		[TG_KEY_DEVICE] = TG_FIELD_DEVICE,  [TG_KEY_FROM4] = TG_FIELD_FROM,
		[TG_KEY_FROM6] = TG_FIELD_FROM,     [TG_KEY_FROM_PORT] = TG_FIELD_FROM,
		[TG_KEY_EXE] = TG_FIELD_EXE,        [TG_KEY_NETNS] = TG_FIELD_NETNS,
		[TG_KEY_CGROUP] = TG_FIELD_CGROUP,
	};

	return fields[key];
}

static bool asks(const struct tg_section *section, const struct tg_keys *keys, enum tg_key key)
{
	if (key >= TG_KEY_RARE)
		return tg_rare_mask(keys, key);
	return TG_ASKS(ALL_KEYS, section, keys, key);
}

/* The fields that keep one term from matching. */
static int term_mismatch(const struct tg_view *view, const struct tg_section *section,
			 const struct tg_keys *keys, uint32_t term, uint32_t *fields)
{
	uint32_t found = 0;

	for (int key = 0; key < TG_KEYS; key++) {
		int held;

		if (!asks(section, keys, (enum tg_key)key))
			continue;
		held = holds(view, section, keys, (enum tg_key)key, term);
		if (held < 0)
			return held;
		if (!held)
			found |= 1u << field_of((enum tg_key)key);
	}
	if (!(found & 1u << TG_FIELD_ENDPOINT)) {
		int admits = tg_term_admits(view, section, keys->sets, term);

		if (admits < 0)
			return admits;
		if (!admits)
			found |= 1u << TG_FIELD_ENDPOINT;
	}
	if (found & 1u << TG_FIELD_ENDPOINT)
		found &= ~(1u << TG_FIELD_PORT);
	else if (found & 1u << TG_FIELD_PORT)
		found |= 1u << TG_FIELD_ENDPOINT;
	if (!found && ((const struct tg_term *)tg_row(view, section->term_row + term))->effects &
			      TG_EFFECT_RATE)
		found = TG_MISMATCH_RATE;
	*fields = found;
	return 0;
}

static int note_sets(const struct tg_section *section, struct tg_keys *keys)
{
	keys->sets = tg_sets_with(section, keys);
	return keys->failed ? -EFAULT : 0;
}

/* Of a rule's terms, the one that comes nearest to a match says why it does not. */
static int rule_mismatch(const struct tg_view *view, const struct tg_section *section,
			 const struct tg_keys *keys, uint32_t rule, uint32_t *fields)
{
	uint32_t nearest = 1u << TG_FIELD_ENDPOINT;
	bool any = false;

	for (uint32_t i = 0; i < section->terms; i++) {
		const struct tg_term *term = tg_row(view, (uint64_t)section->term_row + i);
		uint32_t found;

		if (!term)
			return -EFAULT;
		if (term->rule != rule)
			continue;
		if (term_mismatch(view, section, keys, i, &found))
			return -EFAULT;
		if (!any || __builtin_popcount(found) < __builtin_popcount(nearest))
			nearest = found;
		any = true;
	}
	*fields = nearest;
	return 0;
}

int tg_mismatch(const struct tg_image *image, const struct tg_table_rows *tables,
		const struct tg_query *query, uint32_t index, uint32_t *fields)
{
	const struct tg_section *section;
	uint32_t row;
	struct tg_rule_info rule = {.size = sizeof(rule)};
	struct tg_keys keys;
	struct tg_view view;
	int err = query_keys(query, &keys);

	if (!err)
		err = tg_image_rule(image, index, &rule);
	if (!err)
		err = view_image(image, tables, &view, &keys);
	if (err)
		return err;
	row = tg_image_section_row(view.rows, (int)query->op + (is_unix(query) ? TG_OPS : 0));
	if (!(rule.ops >> query->op & 1) || !row) {
		*fields = TG_MISMATCH_OP;
		return 0;
	}
	section = tg_rows(&view, row, TG_SECTION_ROWS);
	if (!section || (is_unix(query) && rank_query(&view, query, row, &keys)) ||
	    classify_rare(query, &view, section, &keys) || note_sets(section, &keys) ||
	    rule_mismatch(&view, section, &keys, index, fields))
		return tg_fail(-EINVAL, "damaged image: a reference leads outside it");
	return 0;
}

int tg_image_mismatch(const struct tg_image *image, const struct tg_query *query, uint32_t index,
		      uint32_t *fields)
{
	return tg_mismatch(image, NULL, query, index, fields);
}
