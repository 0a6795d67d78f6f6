/* SPDX-License-Identifier: MIT */
/*
 * lint_port.c - denials of bind: those that do not see the ports that the kernel picks, and a
 * default that refuses all others.
 *
 * A program that binds to port 0 gets one from the range of its socket, which it may narrow to a
 * single port of the system's range (IP_LOCAL_PORT_RANGE, since Linux 6.3).  The hook runs before
 * that, and sees 0.
 */
#include "lint/lint_port.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/error.h"
#include "bpf/engine/tree_search.h"
#include "lint/lint_finding.h"
#include "lint/lint_zero.h"
#include "simulate/simulate.h"

/* The system's range, unless somebody changes net.ipv4.ip_local_port_range. */
#define FIRST_PICKED 32768u
#define LAST_PICKED  60999u

/* Find the terms for bind that hold for some port that the kernel may pick. */
static int find_picked(struct tg_lint *lint)
{
	const struct tg_section_reader *reader = &lint->reader[TG_OP_BIND];
	const struct tg_tree *tree = &reader->section->tree[TG_KEY_PORT];
	uint64_t *words = lint->picked ? NULL : calloc(reader->words * 2, sizeof(*words));
	uint64_t *of_class = words + reader->words;
	int last = -1, error = 0;

	if (lint->picked)
		return 0;
	if (!words)
		return tg_fail(-ENOMEM, "out of memory: no room to check a rule");
	for (uint32_t port = FIRST_PICKED; port <= LAST_PICKED && !error; port++) {
		int cls = tg_class32(&reader->view, tree, port);

		if (cls == last)
			continue;
		last = cls;
		error = cls < 0 ? tg_fail_damaged()
				: tg_section_reader_terms(reader, TG_KEY_PORT, (uint32_t)cls,
							  of_class);
		for (uint32_t i = 0; i < reader->words && !error; i++)
			words[i] |= of_class[i];
	}
	lint->picked = words;
	return error;
}

/* 1: the rule denies a port that the kernel may pick, and does not deny port 0. */
static int denies_picked(struct tg_lint *lint, uint32_t first, uint32_t end)
{
	static const enum tg_key port[] = {TG_KEY_PORT};
	const struct tg_section_reader *reader = &lint->reader[TG_OP_BIND];
	int holds, error;

	if (!(reader->section->keys >> TG_KEY_PORT & 1))
		return 0;
	holds = tg_lint_hold_zero(reader, first, end, port, 1);
	if (holds)
		return holds < 0 ? holds : 0;
	error = find_picked(lint);
	for (uint32_t term = first; term < end && !error; term++)
		if (lint->picked[term / 64] >> (term % 64) & 1)
			return 1;
	return error;
}

/* 1: a process of a user without rights may bind to port 0. */
static int passes_zero(const struct tg_lint *lint)
{
	static const int families[] = {AF_INET, AF_INET6};
	int passes = 0;

	for (int i = 0; i < 2 && passes == 0; i++) {
		struct tg_query query = {.size = sizeof(query),
					 .op = TG_OP_BIND,
					 .family = families[i],
					 .proto = IPPROTO_TCP,
					 .uid = 65534,
					 .gid = 65534};
		struct tg_decision decision;
		int error;

		if (families[i] == AF_INET)
			query.addr[10] = query.addr[11] = 0xff;
		error = tg_decide(lint->image, lint->tables, &query, &decision);
		passes = error ? error : decision.verb != TG_VERB_DENY;
	}
	return passes;
}

int tg_lint_port(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	uint32_t first = rule->first[TG_OP_BIND], end = rule->end[TG_OP_BIND];
	struct tg_lint_text text;
	int result;

	if (rule->info.verb != TG_VERB_DENY || !lint->known[TG_OP_BIND] || first == end)
		return 0;
	result = denies_picked(lint, first, end);
	if (result <= 0)
		return result;
	result = passes_zero(lint);
	if (result <= 0)
		return result;
	result = tg_lint_begin(rule, &text);
	if (result)
		return result;
	fputs("does not see ports that the kernel picks: a program may bind to port 0, and narrow "
	      "the range to a denied port; if the program needs no such port, deny { bind = "
	      "\"*:0\" } as well",
	      text.stream);
	return tg_lint_end(lint, rule, TG_FINDING_PORT, &text);
}

int tg_lint_default_bind(struct tg_lint *lint)
{
	const struct tg_section_reader *reader = &lint->reader[TG_OP_BIND];
	struct tg_lint_text text;
	int error;

	if (!lint->known[TG_OP_BIND] || reader->section->terms ||
	    reader->terms[0].verb != TG_VERB_DENY)
		return 0;
	error = tg_lint_begin(NULL, &text);
	if (error)
		return error;
	fputs("policy: the default refuses to bind to any port, so nothing can serve; allow what "
	      "may, such as allow { bind = \"*:8080\" }; default = { egress = \"deny\" } leaves "
	      "bind "
	      "alone; if nothing may serve, say so: allow { bind = \"*:0\" }",
	      text.stream);
	return tg_lint_end(lint, NULL, TG_FINDING_BIND, &text);
}
