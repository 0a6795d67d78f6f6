/* SPDX-License-Identifier: MIT */
/* lint_unseen.c - rules for calls that no hook sees: those of SCTP, of raw sockets … */
#include "lint/lint_unseen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/hook.h"
#include "base/seen_socket.h"
#include "bpf/engine/tree_search.h"
#include "lint/lint_finding.h"
#include "parse/value.h"

#define MOST_NAMED 3

/* The terms that hold for a value of a field, as a bitset. */
static int terms_for(const struct tg_section_reader *reader, enum tg_key key, uint32_t value,
		     uint64_t *words)
{
	int cls;

	memset(words, 0xff, reader->words * sizeof(*words));
	if (!(reader->section->keys >> key & 1))
		return 0;
	cls = tg_class32(&reader->view, &reader->section->tree[key], value);
	return cls < 0 ? tg_fail_damaged()
		       : tg_section_reader_terms(reader, key, (uint32_t)cls, words);
}

/* Find the terms that hold for some socket whose calls of `op` a hook sees. */
static int find_seen(struct tg_lint *lint, uint32_t op)
{
	const struct tg_section_reader *reader = &lint->reader[op];
	uint64_t *words = calloc((size_t)reader->words * 3, sizeof(*words));
	uint64_t *proto = words + reader->words, *type = proto + reader->words;
	const struct tg_seen_socket *socket;
	int error = words ? 0 : tg_fail(-ENOMEM, "out of memory: no room to check a rule");

	for (uint32_t at = 0; !error && (socket = tg_seen_socket_next(op, &at));) {
		error = terms_for(reader, TG_KEY_PROTO, socket->proto, proto);
		if (!error)
			error = terms_for(reader, TG_KEY_TYPE, socket->type, type);
		for (uint32_t i = 0; i < reader->words && !error; i++)
			words[i] |= proto[i] & type[i];
	}
	if (error)
		free(words);
	else
		lint->seen[op] = words;
	return error;
}

/* 1: a hook sees a call of `op` that the rule is about, or nobody knows. */
static int is_seen(struct tg_lint *lint, const struct tg_lint_rule *rule, uint32_t op)
{
	int error = 0;

	/* All sockets have names, and all unix sockets connect alike. */
	if (TG_BIT(op) & (TG_BIT(TG_OP_GETPEERNAME) | TG_BIT(TG_OP_GETSOCKNAME)) ||
	    !lint->known[op] || rule->first[TG_OP_COUNT + op] < rule->end[TG_OP_COUNT + op])
		return 1;
	if (!lint->seen[op])
		error = find_seen(lint, op);
	for (uint32_t term = rule->first[op]; !error && term < rule->end[op]; term++)
		if (lint->seen[op][term / 64] >> (term % 64) & 1)
			return 1;
	return error;
}

/* 1: the term holds for this value of a field. */
static int holds(const struct tg_section_reader *reader, enum tg_key key, uint32_t term,
		 uint32_t value, uint64_t *words)
{
	int error = terms_for(reader, key, value, words);

	return error ? error : (int)(words[term / 64] >> (term % 64) & 1);
}

/* Write the protocols that a term asks for, if they are few: "sctp, dccp ". */
static int write_protocols(const struct tg_section_reader *reader, uint32_t term, FILE *stream)
{
	const struct tg_section_reader_key *key = &reader->key[TG_KEY_PROTO];
	uint64_t *words = calloc(reader->words, sizeof(*words));
	uint32_t protos[MOST_NAMED];
	uint32_t count = 0;
	int result = 0;

	if (!words)
		return tg_fail(-ENOMEM, "out of memory: no room to check a rule");
	if (!(reader->section->keys >> TG_KEY_PROTO & 1) ||
	    key->every[term / 64] >> (term % 64) & 1)
		goto out;
	/* What is larger than 255 is MPTCP, which the hooks see. */
	for (uint32_t proto = 0; proto < 256 && result >= 0; proto++) {
		result = holds(reader, TG_KEY_PROTO, term, proto, words);
		if (result > 0 && count++ < MOST_NAMED)
			protos[count - 1] = proto;
	}
	for (uint32_t i = 0; i < count && count <= MOST_NAMED; i++) {
		const char *name = tg_proto_name(protos[i]);

		fputs(i ? ", " : "", stream);
		if (name)
			fputs(name, stream);
		else
			fprintf(stream, "protocol %u", protos[i]);
	}
	fputs(!count ? "" : count > MOST_NAMED ? "such " : " ", stream);
out:
	free(words);
	return result < 0 ? result : 0;
}

static int write_types(const struct tg_section_reader *reader, uint32_t term, FILE *stream)
{
	const struct tg_section_reader_key *key = &reader->key[TG_KEY_TYPE];
	uint64_t *words = calloc(reader->words, sizeof(*words));
	int named = 0, result = 0;

	if (!words)
		return tg_fail(-ENOMEM, "out of memory: no room to check a rule");
	if (!(reader->section->keys >> TG_KEY_TYPE & 1) || key->every[term / 64] >> (term % 64) & 1)
		goto out;
	for (uint32_t type = SOCK_STREAM; type <= SOCK_SEQPACKET && result >= 0; type++) {
		result = holds(reader, TG_KEY_TYPE, term, type, words);
		if (result > 0 && tg_type_name(type))
			fprintf(stream, "%s%s", named++ ? ", " : "", tg_type_name(type));
	}
	fputs(named ? " " : "", stream);
out:
	free(words);
	return result < 0 ? result : 0;
}

/* "no hook sees connect or sendmsg of sctp sockets: …" */
static int report(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	uint32_t op = 0, first;
	struct tg_lint_text text;
	int error = tg_lint_begin(rule, &text);

	if (error)
		return error;
	while (rule->first[op] == rule->end[op])
		op++;
	first = rule->first[op];
	fputs("no hook sees ", text.stream);
	for (uint32_t i = 0, any = 0; i < TG_OP_COUNT; i++)
		if (rule->info.ops >> i & 1)
			fprintf(text.stream, "%s%s", any++ ? " or " : "", tg_op_name(i));
	fputs(" of ", text.stream);
	error = write_protocols(&lint->reader[op], first, text.stream);
	if (!error)
		error = write_types(&lint->reader[op], first, text.stream);
	fputs("sockets: this rule can never match", text.stream);
	return tg_lint_end(lint, rule, TG_FINDING_UNSEEN, &text) ?: error;
}

int tg_lint_unseen(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	bool terms = false;
	int error;

	for (uint32_t op = 0; op < TG_OP_COUNT; op++) {
		int seen = rule->info.ops >> op & 1 ? is_seen(lint, rule, op) : 0;

		if (seen)
			return seen < 0 ? seen : 0;
		terms |= rule->first[op] < rule->end[op];
	}
	if (!terms)
		return 0;
	error = report(lint, rule);
	return error ? error : 1;
}
