/* SPDX-License-Identifier: MIT */
/*
 * lint_egress.c - denials of connects and datagrams that do less than they say,
 * or more: datagrams get past them by connected sockets, and the loopback is
 * one of all addresses, too.
 */
#include "lint/lint_egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/error.h"
#include "bpf/engine/keys.h"
#include "bpf/engine/tree_search.h"
#include "lint/lint_finding.h"
#include "parse/address.h"
#include "simulate/simulate.h"

/* --- Datagrams ------------------------------------------------------------------------ */

/* Keep only the UDP calls of a box. */
static int restrict_to_udp(const struct tg_section_reader *reader, struct tg_box *box)
{
	const struct tg_tree *tree = &reader->section->tree[TG_KEY_PROTO];
	int cls;

	if (!(box->keys >> TG_KEY_PROTO & 1))
		return 0;
	cls = tg_class32(&reader->view, tree, IPPROTO_UDP);
	if (cls < 0)
		return tg_fail_damaged();
	return tg_box_restrict(box, TG_KEY_PROTO, (uint32_t)cls);
}

/* A value of one field, from the class of the call that was found; 0 if no term restricts it. */
static struct tg_key128 sample(const struct tg_section_reader *reader, const struct tg_cover *cover,
			       enum tg_key key)
{
	if (!(reader->section->keys >> key & 1))
		return (struct tg_key128){0, 0};
	return reader->key[key].sample[cover->call[key]];
}

/* Whether sample values of all fields that the terms restrict make up a call. */
static bool can_ask(const struct tg_lint *lint)
{
	static const enum tg_op ops[] = {TG_OP_CONNECT, TG_OP_SENDMSG};
	uint32_t keys = 0;

	for (int i = 0; i < 2; i++)
		if (lint->known[ops[i]])
			keys |= lint->reader[ops[i]].section->keys;
	return !(keys & ~TG_COMMON_KEYS);
}

static void make_address(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
			 const struct tg_cover *cover, uint8_t bytes[16])
{
	struct tg_key128 address = sample(reader, cover, kind->address);

	if (kind->address == TG_KEY_ADDR4)
		address = (struct tg_key128){0, TG_MAPPED_LO | address.lo};
	else if (!(reader->section->keys >> TG_KEY_ADDR6 & 1))
		address = (struct tg_key128){0, 1};
	tg_address_bytes(address, bytes);
}

/* Make up a UDP call of the classes that were found.  Its family is that of its address. */
static void make_call(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
		      const struct tg_cover *cover, struct tg_query *call)
{
	struct tg_key128 comm = sample(reader, cover, TG_KEY_COMM);

	*call = (struct tg_query){
		.size = sizeof(*call),
		.port = (uint32_t)sample(reader, cover, TG_KEY_PORT).lo,
		.proto = IPPROTO_UDP,
		.uid = (uint32_t)sample(reader, cover, TG_KEY_UID).lo,
		.gid = (uint32_t)sample(reader, cover, TG_KEY_GID).lo,
		.pid = (uint32_t)sample(reader, cover, TG_KEY_PID).lo,
	};
	if (!(reader->section->keys >> TG_KEY_PORT & 1))
		call->port = 1;
	make_address(reader, kind, cover, call->addr);
	tg_address_bytes(comm, call->comm);
}

static int decide(const struct tg_lint *lint, enum tg_op op, struct tg_query *call,
		  struct tg_decision *decision)
{
	call->op = op;
	return tg_decide(lint->image, NULL, call, decision);
}

static void write_address(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
			  const struct tg_query *call, FILE *stream)
{
	char text[64];

	if (reader->section->keys >> kind->address & 1) {
		tg_addr_format(call->addr, text, sizeof(text));
		fputs(text, stream);
	} else {
		fputs("any address", stream);
	}
}

/* Begin a finding: the datagrams that the rule denies may be sent by a connected socket. */
static int begin_defeated(const struct tg_lint_rule *rule, const struct tg_section_reader *reader,
			  const struct tg_call_kind *kind, const struct tg_query *call,
			  struct tg_lint_text *text)
{
	int error = tg_lint_begin(rule, text);

	if (error)
		return error;
	fputs("does not keep UDP from ", text->stream);
	write_address(reader, kind, call, text->stream);
	fputs(": ", text->stream);
	return 0;
}

/* The rule is for egress: an earlier allow for connect, but not sendmsg, lets a socket connect. */
static int report_connected(struct tg_lint *lint, const struct tg_lint_rule *rule,
			    const struct tg_call_kind *kind, const struct tg_query *call,
			    uint32_t by)
{
	struct tg_lint_text text;
	int error = begin_defeated(rule, &lint->reader[TG_OP_CONNECT], kind, call, &text);

	if (error)
		return error;
	tg_lint_name(lint, by, text.stream);
	fputs(" before it lets sockets connect there, and what a connected socket sends is not "
	      "checked again; give that rule proto = \"tcp\", or, if UDP is meant, egress",
	      text.stream);
	return tg_lint_end(lint, rule, TG_FINDING_DEFEATED, &text);
}

/* 1: a call that both terms hold for may connect by the first one, and that was reported. */
static int connects(struct tg_lint *lint, const struct tg_lint_rule *rule,
		    const struct tg_call_kind *kind, const struct tg_box *denied, uint32_t allow)
{
	const struct tg_section_reader *reader = &lint->reader[TG_OP_CONNECT];
	struct tg_decision decision;
	struct tg_cover cover;
	struct tg_query call;
	struct tg_box box;
	int result = tg_box_of_term(reader, kind, allow, &box);

	if (result)
		return result;
	result = tg_box_intersect(&box, denied);
	if (!result)
		result = tg_cover_ask(&lint->work, reader, &box, allow, &cover);
	if (result || cover.answer != TG_COVER_PART)
		goto out;
	make_call(reader, kind, &cover, &call);
	result = decide(lint, TG_OP_SENDMSG, &call, &decision);
	if (!result && decision.rule == rule->index)
		result = report_connected(lint, rule, kind, &call, reader->terms[allow].rule) ?: 1;
out:
	tg_box_free(&box);
	return result;
}

static bool allows_connect_alone(const struct tg_lint *lint, uint32_t term)
{
	const struct tg_term *at = &lint->reader[TG_OP_CONNECT].terms[term];
	struct tg_rule_info info = {.size = sizeof(info)};

	return at->verb == TG_VERB_ALLOW && !tg_image_rule(lint->image, at->rule, &info) &&
	       !(info.ops >> TG_OP_SENDMSG & 1);
}

/* Check the allows before one term of a rule for egress. */
static int check_connects(struct tg_lint *lint, const struct tg_lint_rule *rule,
			  const struct tg_call_kind *kind, uint32_t term)
{
	const struct tg_section_reader *reader = &lint->reader[TG_OP_CONNECT];
	uint64_t *touching = calloc(reader->words, sizeof(*touching));
	struct tg_box box = {0};
	int result = touching ? tg_box_of_term(reader, kind, term, &box)
			      : tg_fail(-ENOMEM, "out of memory: no room to compare terms");

	if (!result)
		result = restrict_to_udp(reader, &box);
	if (!result && !tg_box_is_empty(&box, ~0u))
		result = tg_cover_touching(&lint->work, reader, &box, term, touching);
	for (uint32_t i = 0; touching && i < reader->words && !result; i++) {
		for (uint64_t word = touching[i]; word && !result; word &= word - 1) {
			uint32_t allow = i * 64 + (uint32_t)__builtin_ctzll(word);

			if (allows_connect_alone(lint, allow))
				result = connects(lint, rule, kind, &box, allow);
		}
	}
	tg_box_free(&box);
	free(touching);
	return result == -E2BIG ? 0 : result;
}

/* The rule is for sendmsg, not connect: another rule, or the default, lets a socket connect. */
static int report_unconnected(struct tg_lint *lint, const struct tg_lint_rule *rule,
			      const struct tg_call_kind *kind, const struct tg_query *call,
			      uint32_t by)
{
	struct tg_lint_text text;
	int error = begin_defeated(rule, &lint->reader[TG_OP_SENDMSG], kind, call, &text);

	if (error)
		return error;
	if (by == TG_RULE_DEFAULT) {
		fputs("nothing keeps sockets from connecting there", text.stream);
	} else {
		tg_lint_name(lint, by, text.stream);
		fputs(" lets sockets connect there", text.stream);
	}
	fputs(", and what a connected socket sends is not checked again; write egress instead of "
	      "sendmsg",
	      text.stream);
	return tg_lint_end(lint, rule, TG_FINDING_DEFEATED, &text);
}

static int check_sends(struct tg_lint *lint, const struct tg_lint_rule *rule,
		       const struct tg_call_kind *kind, uint32_t term)
{
	const struct tg_section_reader *reader = &lint->reader[TG_OP_SENDMSG];
	struct tg_cover cover = {.answer = TG_COVER_UNKNOWN};
	struct tg_decision by;
	struct tg_query call;
	struct tg_box box;
	int result = tg_box_of_term(reader, kind, term, &box);

	if (result)
		return result;
	result = restrict_to_udp(reader, &box);
	if (!result && !tg_box_is_empty(&box, ~0u))
		result = tg_cover_ask(&lint->work, reader, &box, term, &cover);
	if (result || cover.answer != TG_COVER_PART)
		goto out;
	make_call(reader, kind, &cover, &call);
	result = decide(lint, TG_OP_CONNECT, &call, &by);
	if (!result && by.verb == TG_VERB_ALLOW)
		result = report_unconnected(lint, rule, kind, &call, by.rule) ?: 1;
out:
	tg_box_free(&box);
	return result;
}

int tg_lint_defeated(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	bool egress = rule->info.ops >> TG_OP_CONNECT & 1;
	enum tg_op op = egress ? TG_OP_CONNECT : TG_OP_SENDMSG;
	const struct tg_call_kind *kinds = tg_call_kinds(op);
	int result = 0;

	if (rule->info.verb != TG_VERB_DENY || !(rule->info.ops >> TG_OP_SENDMSG & 1) ||
	    !can_ask(lint))
		return 0;
	for (uint32_t term = rule->first[op]; term < rule->end[op]; term++)
		for (int i = 0; i < TG_CALL_KINDS && !result; i++)
			result = egress ? check_connects(lint, rule, &kinds[i], term)
					: check_sends(lint, rule, &kinds[i], term);
	return result < 0 ? result : 0;
}

/* --- The loopback ---------------------------------------------------------------------- */

/* What a denial of everything catches of the loopback. */
struct caught {
	uint32_t ops;
	bool kind[TG_CALL_KINDS];
};

static bool has(const uint64_t *words, uint32_t term)
{
	return words[term / 64] >> (term % 64) & 1;
}

/* Whether a term holds for all values of a field. */
static bool takes_all(const struct tg_section_reader *reader, enum tg_key key, uint32_t term)
{
	return !(reader->section->keys >> key & 1) || has(reader->key[key].every, term);
}

/* Whether one of the first `limit` terms holds for this class of addresses, but not for all. */
static int is_named(const struct tg_section_reader *reader, enum tg_key key, uint32_t cls,
		    uint32_t limit, bool *named)
{
	uint64_t *words = calloc(reader->words, sizeof(*words));
	int error = words ? tg_section_reader_terms(reader, key, cls, words)
			  : tg_fail(-ENOMEM, "out of memory: no room to compare terms");

	*named = false;
	for (uint32_t term = 0; term < limit && !error; term++)
		if (has(words, term) && !has(reader->key[key].every, term))
			*named = true;
	free(words);
	return error;
}

/* Keep only the calls to the loopback; *named: a term before `limit` is about them. */
static int restrict_to_loopback(const struct tg_section_reader *reader,
				const struct tg_call_kind *kind, uint32_t limit, struct tg_box *box,
				bool *named)
{
	const struct tg_keys keys = {.addr4 = INADDR_LOOPBACK, .addr6 = {0, 1}};
	int cls, error;

	*named = false;
	if (!(box->keys >> kind->address & 1))
		return 0;
	cls = tg_classify(&reader->view, reader->section, &keys, kind->address);
	if (cls < 0)
		return tg_fail_damaged();
	error = is_named(reader, kind->address, (uint32_t)cls, limit, named);
	return error ? error : tg_box_restrict(box, kind->address, (uint32_t)cls);
}

/* Set *caught if the terms before `limit` leave loopback calls of a box.  Frees the box. */
static int catches(struct tg_lint *lint, const struct tg_section_reader *reader,
		   const struct tg_call_kind *kind, struct tg_box *box, uint32_t limit,
		   bool *caught)
{
	struct tg_cover cover;
	bool named;
	int error = restrict_to_loopback(reader, kind, limit, box, &named);

	if (!error && !named && !tg_box_is_empty(box, ~0u)) {
		error = tg_cover_ask(&lint->work, reader, box, limit, &cover);
		*caught = *caught || (!error && cover.answer == TG_COVER_PART);
	}
	tg_box_free(box);
	return error;
}

static int report_loopback(struct tg_lint *lint, const struct tg_lint_rule *rule,
			   const struct caught *caught)
{
	bool both = caught->kind[0] && caught->kind[1];
	struct tg_lint_text text;
	int error = tg_lint_begin(rule, &text);

	if (error)
		return error;
	fprintf(text.stream,
		"%scatches %s, too, where programs reach services of this machine; if that is not "
		"intended, put this before it: allow { %s = %s }",
		rule ? "" : "policy: default = \"deny\" ",
		both              ? "127.0.0.1 and ::1"
		: caught->kind[0] ? "127.0.0.1"
				  : "::1",
		caught->ops == TG_OPS_EGRESS ? "egress" : tg_op_name(__builtin_ctz(caught->ops)),
		both              ? "{ \"127.0.0.0/8\", \"::1\" }"
		: caught->kind[0] ? "\"127.0.0.0/8\""
				  : "\"::1\"");
	return tg_lint_end(lint, rule, TG_FINDING_LOOPBACK, &text);
}

/* Check the loopback in one operation, before one term, or, if `all` is set, the default. */
static int check_loopback(struct tg_lint *lint, enum tg_op op, uint32_t term, bool all,
			  struct caught *caught)
{
	const struct tg_section_reader *reader = &lint->reader[op];
	const struct tg_call_kind *kinds = tg_call_kinds(op);
	int error = 0;

	for (int i = 0; i < TG_CALL_KINDS && !error; i++) {
		bool found = false;
		struct tg_box box;

		if (!all && !takes_all(reader, kinds[i].address, term))
			continue;
		error = all ? tg_box_of_call_kind(reader, &kinds[i], &box)
			    : tg_box_of_term(reader, &kinds[i], term, &box);
		if (!error)
			error = catches(lint, reader, &kinds[i], &box, term, &found);
		if (found) {
			caught->ops |= 1u << op;
			caught->kind[i] = true;
		}
	}
	return error;
}

int tg_lint_loopback(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	static const enum tg_op ops[] = {TG_OP_CONNECT, TG_OP_SENDMSG};
	struct caught caught = {0};
	int error = 0;

	if (rule->info.verb != TG_VERB_DENY)
		return 0;
	for (int i = 0; i < 2; i++)
		for (uint32_t term = rule->first[ops[i]]; term < rule->end[ops[i]] && !error;
		     term++)
			/* Nobody knows yet what a live set will contain. */
			if (!(lint->reader[ops[i]].terms[term].effects & TG_EFFECT_LIVE) &&
			    takes_all(&lint->reader[ops[i]], TG_KEY_PORT, term))
				error = check_loopback(lint, ops[i], term, false, &caught);
	return error || !caught.ops ? error : report_loopback(lint, rule, &caught);
}

int tg_lint_default_loopback(struct tg_lint *lint)
{
	static const enum tg_op ops[] = {TG_OP_CONNECT, TG_OP_SENDMSG};
	struct caught caught = {0};
	int error = 0;

	for (int i = 0; i < 2 && !error; i++) {
		const struct tg_section_reader *reader = &lint->reader[ops[i]];
		uint32_t terms = lint->known[ops[i]] ? reader->section->terms : 0;

		if (lint->known[ops[i]] && reader->terms[terms].verb == TG_VERB_DENY)
			error = check_loopback(lint, ops[i], terms, true, &caught);
	}
	return error || !caught.ops ? error : report_loopback(lint, NULL, &caught);
}
