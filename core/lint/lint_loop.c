/* SPDX-License-Identifier: MIT */
/*
 * lint_loop.c - rewrites and balances that send calls round in a loop.
 *
 * The kernel does not check again a call that has been rewritten.  But what
 * listens at the target may be subject to the same policy: it connects onward,
 * is rewritten itself, and in the end is sent back to where it listens.  Live
 * services count with what the policy declares that they contain.
 */
#include "lint/lint_loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/path_rank.h"
#include "bpf/engine/service_lookup.h"
#include "bpf/engine/tree_search.h"
#include "image/image_directory.h"
#include "image/image_services.h"
#include "lint/lint_finding.h"
#include "lint/lint_target.h"
#include "parse/address.h"

#define MOST_STEPS 8

/* Rewrites that are followed, for all rules together: about a second. */
#define MAX_HOPS 100000u

/* A path that calls take: which terms rewrite them, and where to. */
struct path {
	struct tg_rewriter rewriter[MOST_STEPS];
	struct tg_lint_target target[MOST_STEPS];
	uint32_t steps;
	struct tg_lint_target at; /* what is known of where the calls go after the last step */
	uint32_t proto;           /* 0: any */
};

/* Calls of one kind and one operation. */
struct calls {
	const struct tg_section_reader *reader;
	const struct tg_call_kind *kind;
	struct tg_box box;
};

/* Keep only the calls whose value of one field is that of a target. */
static int restrict_to(const struct tg_lint *lint, struct calls *calls, enum tg_key key,
		       const struct tg_lint_target *target, uint32_t proto)
{
	const struct tg_section_reader *reader = calls->reader;
	uint32_t row = tg_image_section_row(lint->image->rows, reader->place);
	const uint8_t *addr = (const uint8_t *)target->addr_be;
	int rank, cls;
	struct tg_keys keys = {
		.addr4 = ntohl(target->addr_be[3]),
		.addr6 = {tg_be64(addr), tg_be64(addr + 8)},
		.port = ntohs(target->port_be),
		.proto = proto,
	};

	if (!(calls->box.keys >> key & 1))
		return 0;
	if (key == TG_KEY_PATH) {
		rank = target->path ? tg_path_rank(&reader->view, row, target->path->words_be)
				    : -EFAULT;
		if (rank < 0)
			return tg_fail_damaged();
		keys.path = (uint32_t)rank;
	}
	cls = tg_classify(&reader->view, reader->section, &keys, key);
	return cls < 0 ? tg_fail_damaged() : tg_box_restrict(&calls->box, key, (uint32_t)cls);
}

/* What a rewrite to `target` makes of the calls of `from`. */
static int rewrite_calls(const struct tg_lint *lint, const struct calls *from,
			 const struct tg_lint_target *target, struct calls *calls)
{
	const struct tg_section_reader *reader = from->reader;
	struct tg_box kept = from->box; /* borrows the lists */
	int error;

	*calls = (struct calls){.reader = reader, .kind = from->kind};
	if (target->has_addr && reader->place < TG_OP_COUNT)
		calls->kind =
			&tg_call_kinds(reader->place)[tg_bytes_are_mapped(target->addr_be) ? 0 : 1];
	error = tg_box_of_call_kind(reader, calls->kind, &calls->box);
	if (error)
		return error;
	if (target->has_addr)
		kept.keys &= ~(1u << TG_KEY_ADDR4 | 1u << TG_KEY_ADDR6 | 1u << TG_KEY_PATH);
	if (target->has_port)
		kept.keys &= ~(1u << TG_KEY_PORT);
	error = tg_box_intersect(&calls->box, &kept);
	if (!error && target->has_addr)
		error = restrict_to(lint, calls, calls->kind->address, target, 0);
	if (!error && target->has_port)
		error = restrict_to(lint, calls, TG_KEY_PORT, target, 0);
	if (error)
		tg_box_free(&calls->box);
	return error;
}

/* The calls of `from` that a rewriting term takes, which may be none. */
static int taken_calls(const struct tg_lint *lint, const struct calls *from,
		       const struct tg_rewriter *rewriter, uint32_t proto,
		       const struct tg_lint_target *at, struct calls *calls)
{
	int error = tg_box_of_term(from->reader, from->kind, rewriter->term, &calls->box);

	calls->reader = from->reader;
	calls->kind = from->kind;
	if (error)
		return error;
	error = tg_box_intersect(&calls->box, &from->box);
	if (!error && rewriter->vip != TG_NO_VIP)
		error = restrict_to(lint, calls, TG_KEY_PROTO, at, proto);
	if (error)
		tg_box_free(&calls->box);
	return error;
}

static int follow(struct tg_lint *lint, const struct calls *from, struct path *path);

/* Follow the calls through one rewriting term: 1 if that leads back to the first one. */
static int follow_rewriter(struct tg_lint *lint, const struct calls *from,
			   const struct tg_rewriter *rewriter, uint32_t proto, struct path *path)
{
	const struct tg_section_reader *reader = from->reader;
	uint32_t first = reader->terms[path->rewriter[0].term].rule;
	uint32_t rule = reader->terms[rewriter->term].rule;
	struct tg_cover cover = {.answer = TG_COVER_UNKNOWN};
	struct calls part;
	int result = taken_calls(lint, from, rewriter, proto, &path->at, &part);

	if (result)
		return result;
	if (!tg_box_is_empty(&part.box, ~0u))
		result = tg_cover_ask(&lint->work, reader, &part.box, rewriter->term, &cover);
	if (result || cover.answer != TG_COVER_PART)
		goto out;
	if (rule == first && rewriter->vip == path->rewriter[0].vip) {
		result = 1;
	} else if ((rule > first || rewriter->vip != TG_NO_VIP) && path->steps < MOST_STEPS) {
		path->rewriter[path->steps++] = *rewriter;
		result = follow(lint, &part, path);
		path->steps -= !result;
	}
out:
	tg_box_free(&part.box);
	return result;
}

/* Follow the calls through the services that have a VIP where the calls go. */
static int follow_services(struct tg_lint *lint, const struct calls *from, uint32_t term,
			   struct path *path)
{
	static const uint32_t protos[] = {IPPROTO_TCP, IPPROTO_UDP};
	const struct tg_table_rows *services = tg_rewriter_services(lint, from->reader, term);
	uint32_t before = path->proto;
	int result = 0;

	for (int i = 0; i < 2 && services && !result; i++) {
		struct tg_rewriter rewriter = {term, TG_NO_VIP};

		if (!before || before == protos[i])
			rewriter.vip = tg_lint_vip_at(services, &path->at, protos[i]);
		if (rewriter.vip == TG_NO_VIP)
			continue;
		path->proto = protos[i];
		result = follow_rewriter(lint, from, &rewriter, protos[i], path);
		path->proto = before;
	}
	return result;
}

/* Whether calls could be for services: then all terms have to be looked at. */
static bool asks_services(const struct tg_lint *lint, const struct path *path)
{
	return lint->services && path->at.has_addr;
}

/* Find the terms that rewrite these calls next, and follow the calls through them. */
static int follow_calls(struct tg_lint *lint, const struct calls *calls, struct path *path)
{
	const struct tg_section_reader *reader = calls->reader;
	uint64_t *touching = calloc(reader->words, sizeof(*touching));
	int result = touching ? 0 : tg_fail(-ENOMEM, "out of memory: no room to follow a call");

	if (!result)
		result = tg_cover_touching(&lint->work, reader, &calls->box, reader->section->terms,
					   touching);
	for (uint32_t i = 0; i < reader->words && !result; i++) {
		for (uint64_t word = touching[i]; word && !result; word &= word - 1) {
			struct tg_rewriter rewriter = {i * 64 + (uint32_t)__builtin_ctzll(word),
						       TG_NO_VIP};
			uint8_t verb = reader->terms[rewriter.term].verb;

			if (verb == TG_VERB_REWRITE || verb == TG_VERB_BALANCE)
				result = follow_rewriter(lint, calls, &rewriter, 0, path);
		}
	}
	for (uint32_t i = 0; i < reader->section->terms && !result && asks_services(lint, path);
	     i++)
		result = follow_services(lint, calls, i, path);
	free(touching);
	return result;
}

/* Rewrite calls by the path's last term, to each of its targets, and follow them. */
static int follow(struct tg_lint *lint, const struct calls *from, struct path *path)
{
	uint32_t last = path->steps - 1;
	uint32_t targets = tg_rewriter_targets(lint, from->reader, &path->rewriter[last]);
	struct tg_lint_target before = path->at;
	int result = 0;

	for (uint32_t i = 0; i < targets && !result; i++) {
		struct tg_lint_target target;
		struct calls calls;

		if (!tg_rewriter_target(lint, from->reader, &path->rewriter[last], i, &target))
			continue;
		lint->hops += 1 + (lint->services ? from->reader->section->terms / 256 : 0);
		if (lint->hops > MAX_HOPS)
			return -E2BIG;
		path->target[last] = path->at = target;
		if (!target.has_addr && before.has_addr)
			memcpy(path->at.addr_be, before.addr_be, sizeof(before.addr_be));
		if (!target.has_port)
			path->at.port_be = before.port_be;
		path->at.has_addr |= before.has_addr;
		path->at.has_port |= before.has_port;
		result = rewrite_calls(lint, from, &target, &calls);
		if (result)
			break;
		if (!tg_box_is_empty(&calls.box, ~0u))
			result = follow_calls(lint, &calls, path);
		tg_box_free(&calls.box);
	}
	if (!result)
		path->at = before;
	return result;
}

/* Write `10.96.0.10:80/tcp`, `10.96.0.10:*` and `/tcp`, or `10.96.0.10`. */
static void write_vip(const struct tg_vip *vip, FILE *stream)
{
	struct tg_lint_target asked = {
		.has_addr = true,
		.has_port = vip->what != TG_VIP_ANY,
		.any_port = TG_VIP_IS_WIDE(vip->what),
		.port_be = htons((uint16_t)TG_VIP_PORT(vip->what)),
	};

	tg_address_bytes((struct tg_key128){vip->addr[0], vip->addr[1]}, (uint8_t *)asked.addr_be);
	tg_lint_target_write(&asked, stream);
	if (asked.has_port)
		fputs((vip->what & 0xffff) == IPPROTO_TCP ? "/tcp" : "/udp", stream);
}

/* Write `its target 127.0.0.1:3128`, or `its backend 10.0.1.5:80 for 10.96.0.10:80/tcp`. */
static void write_first(const struct tg_lint *lint, const struct tg_section_reader *reader,
			const struct path *path, FILE *stream)
{
	bool balances = reader->terms[path->rewriter[0].term].verb == TG_VERB_BALANCE;
	const struct tg_table_rows *services =
		tg_rewriter_services(lint, reader, path->rewriter[0].term);
	const struct tg_vip *vip;

	fputs(balances ? "its backend " : "its target ", stream);
	tg_lint_target_write(&path->target[0], stream);
	vip = services ? tg_vip_at(services, (uint32_t)path->rewriter[0].vip) : NULL;
	if (!vip)
		return;
	fputs(" for ", stream);
	write_vip(vip, stream);
}

static int report(struct tg_lint *lint, const struct tg_lint_rule *rule,
		  const struct tg_section_reader *reader, const struct path *path)
{
	bool connects = reader->place % TG_OP_COUNT == TG_OP_CONNECT;
	struct tg_lint_text text;
	int error = tg_lint_begin(rule, &text);

	if (error)
		return error;
	write_first(lint, reader, path, text.stream);
	for (uint32_t i = 1; i < path->steps; i++) {
		fputs(i > 1 ? ", by " : " is sent on by ", text.stream);
		tg_lint_name(lint, reader->terms[path->rewriter[i].term].rule, text.stream);
		fputs(" to ", text.stream);
		tg_lint_target_write(&path->target[i], text.stream);
	}
	fprintf(text.stream,
		"%s matches it again: what listens there is sent round in a loop when it %s "
		"onward, "
		"if the policy applies to it, too; put a rule before this one that lets its own "
		"calls through, such as allow { %s = \"%s\", uid = \"proxy\" }",
		path->steps > 1 ? ", which" : "", connects ? "connects" : "sends",
		connects ? "connect" : "sendmsg", reader->place < TG_OP_COUNT ? "*" : "unix:*");
	return tg_lint_end(lint, rule, TG_FINDING_LOOP, &text);
}

/*
 * Follow the calls of one kind that a rewriting term takes; `at` is what is
 * known of where they ask to go.  1: a loop was found and reported.
 */
static int check_kind(struct tg_lint *lint, const struct tg_lint_rule *rule, struct calls *calls,
		      const struct tg_rewriter *rewriter, const struct tg_lint_target *at,
		      uint32_t proto)
{
	struct path path = {.rewriter = {*rewriter}, .steps = 1, .at = *at, .proto = proto};
	int result = tg_box_of_term(calls->reader, calls->kind, rewriter->term, &calls->box);

	if (result)
		return result;
	if (rewriter->vip != TG_NO_VIP)
		result = restrict_to(lint, calls, calls->kind->address, at, 0);
	if (!result && at->has_port)
		result = restrict_to(lint, calls, TG_KEY_PORT, at, 0);
	if (!result && proto)
		result = restrict_to(lint, calls, TG_KEY_PROTO, at, proto);
	if (!result && !tg_box_is_empty(&calls->box, ~0u))
		result = follow(lint, calls, &path);
	tg_box_free(&calls->box);
	if (result == 1)
		result = report(lint, rule, calls->reader, &path) ?: 1;
	return result;
}

static int check_services(struct tg_lint *lint, const struct tg_lint_rule *rule,
			  const struct tg_section_reader *reader, uint32_t term,
			  const struct tg_table_rows *services)
{
	const struct tg_term_rest *rest = tg_row(&reader->view, reader->terms[term].rest_row);
	const struct tg_table_entry *entry = tg_image_table(lint->image->rows, rest->services - 1);
	const struct tg_vip_key *vip;
	int result = 0;

	for (uint64_t row = 0;
	     !result && (vip = tg_image_service_at(lint->image->rows, entry, row));
	     row = tg_image_service_row_after(vip, row)) {
		struct tg_lint_target at = {.has_addr = true,
					    .has_port = !TG_VIP_IS_WIDE(vip->what),
					    .port_be = htons((uint16_t)TG_VIP_PORT(vip->what))};
		uint32_t proto = vip->what == TG_VIP_ANY ? 0 : vip->what & 0xffff;
		struct tg_rewriter rewriter = {
			term, tg_vip_find(services, vip->what, vip->high, vip->low)};
		struct calls calls = {.reader = reader};

		tg_address_bytes((struct tg_key128){vip->high, vip->low}, (uint8_t *)at.addr_be);
		calls.kind = &tg_call_kinds(reader->place)[tg_bytes_are_mapped(at.addr_be) ? 0 : 1];
		if (rewriter.vip >= 0)
			result = check_kind(lint, rule, &calls, &rewriter, &at, proto);
	}
	return result;
}

static int check_term(struct tg_lint *lint, const struct tg_lint_rule *rule, int place,
		      uint32_t term)
{
	const struct tg_section_reader *reader = &lint->reader[place];
	const struct tg_table_rows *services = tg_rewriter_services(lint, reader, term);
	const struct tg_lint_target anywhere = {.has_addr = false};
	const struct tg_rewriter rewriter = {term, TG_NO_VIP};
	int result = 0;

	if (services)
		return check_services(lint, rule, reader, term, services);
	for (int i = 0; i < tg_call_kind_count(place) && !result; i++) {
		struct calls calls = {.reader = reader, .kind = &tg_call_kinds(place)[i]};

		result = check_kind(lint, rule, &calls, &rewriter, &anywhere, 0);
	}
	return result;
}

int tg_lint_loop(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	static const int places[] = {TG_OP_CONNECT, TG_OP_SENDMSG, TG_OP_COUNT + TG_OP_CONNECT,
				     TG_OP_COUNT + TG_OP_SENDMSG};
	int result = 0;

	if (rule->info.verb != TG_VERB_REWRITE && rule->info.verb != TG_VERB_BALANCE)
		return 0;
	for (int i = 0; i < 4 && !result; i++)
		for (uint32_t term = rule->first[places[i]]; term < rule->end[places[i]] && !result;
		     term++)
			result = check_term(lint, rule, places[i], term);
	return result < 0 && result != -E2BIG ? result : 0;
}
