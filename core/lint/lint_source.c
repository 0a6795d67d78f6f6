/* SPDX-License-Identifier: MIT */
/*
 * lint_source.c - rules whose condition on the source leaves out sockets that are
 * not bound.
 *
 * Most sockets are not bound when they connect or send: their source is 0.0.0.0
 * or :: and port 0, and the kernel chooses another one afterwards.  So a deny
 * that names a source lets them through, and a rewrite that does so was perhaps
 * meant to choose the source.
 */
#include "lint/lint_source.h"

#include "lint/lint_finding.h"
#include "lint/lint_zero.h"

/* The fields of an unbound socket's source: its address, of one family, and its port. */
static const enum tg_key unbound4[] = {TG_KEY_SOURCE4, TG_KEY_SOURCE_PORT};
static const enum tg_key unbound6[] = {TG_KEY_SOURCE6, TG_KEY_SOURCE_PORT};

/* 1: in one operation, the rule leaves out all sockets that are not bound. */
static int leaves_out(const struct tg_lint *lint, const struct tg_lint_rule *rule, enum tg_op op)
{
	const struct tg_section_reader *reader = &lint->reader[op];
	uint32_t first = rule->first[op], end = rule->end[op];
	int holds;

	if (!lint->known[op] || first == end)
		return 0;
	holds = tg_lint_hold_zero(reader, first, end, unbound4, 2);
	if (!holds)
		holds = tg_lint_hold_zero(reader, first, end, unbound6, 2);
	return holds < 0 ? holds : !holds;
}

static int report(struct tg_lint *lint, const struct tg_lint_rule *rule, const char *when)
{
	struct tg_lint_text text;
	int error = tg_lint_begin(rule, &text);

	if (error)
		return error;
	fprintf(text.stream,
		"leaves out sockets that are not bound, as most are when they %s: their source is "
		"0.0.0.0:0 or [::]:0; ",
		when);
	if (rule->info.verb == TG_VERB_DENY)
		fputs("add these to source, or deny without it", text.stream);
	else
		fputs("to choose the source of calls, write bind_source", text.stream);
	return tg_lint_end(lint, rule, TG_FINDING_SOURCE, &text);
}

int tg_lint_source(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	int connect, send;

	if (rule->info.verb != TG_VERB_DENY && rule->info.verb != TG_VERB_REWRITE &&
	    rule->info.verb != TG_VERB_BALANCE)
		return 0;
	connect = leaves_out(lint, rule, TG_OP_CONNECT);
	if (connect < 0)
		return connect;
	send = leaves_out(lint, rule, TG_OP_SENDMSG);
	if (send < 0 || (!connect && !send))
		return send;
	return report(lint, rule,
		      connect && send ? "connect or send"
		      : connect       ? "connect"
				      : "send");
}
