/* SPDX-License-Identifier: MIT */
/*
 * lint_probe.c - rules that count what the C library asks, beside what programs do.
 *
 * To sort the addresses of a name (RFC 6724), getaddrinfo() connects a UDP socket
 * to each of them, with the port, before the program connects once.  A rate, or a
 * rule that observes, counts these connects, too, if it names no protocol.
 */
#include "lint/lint_probe.h"

#include "base/hook.h"
#include "lint/lint_finding.h"

/* Whether a term holds for all values of a field. */
static bool takes_all(const struct tg_section_reader *reader, enum tg_key key, uint32_t term)
{
	return !(reader->section->keys >> key & 1) ||
	       reader->key[key].every[term / 64] >> (term % 64) & 1;
}

int tg_lint_probe(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	const struct tg_section_reader *reader = &lint->reader[TG_OP_CONNECT];
	uint32_t term = rule->first[TG_OP_CONNECT];
	struct tg_lint_text text;
	int error;

	if (!lint->known[TG_OP_CONNECT] || term == rule->end[TG_OP_CONNECT] ||
	    !takes_all(reader, TG_KEY_PROTO, term) || !takes_all(reader, TG_KEY_TYPE, term) ||
	    (rule->info.verb != TG_VERB_OBSERVE && !(reader->terms[term].effects & TG_EFFECT_RATE)))
		return 0;
	error = tg_lint_begin(rule, &text);
	if (error)
		return error;
	fputs("also counts UDP connects by which the C library sorts the addresses of a name; add "
	      "proto = \"tcp\", or, to count both, proto = { \"tcp\", \"udp\" }",
	      text.stream);
	return tg_lint_end(lint, rule, TG_FINDING_PROBE, &text);
}
