/* SPDX-License-Identifier: MIT */
/*
 * simulate.c - deciding a call without the kernel.
 *
 * The matching is the programs' own source, compiled here for an image in
 * memory.
 */
#include "simulate/simulate.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/error.h"
#include "base/seen_socket.h"
#include "bpf/engine/match.h"
#include "bpf/engine/path_rank.h"
#include "bpf/engine/tree_search.h"
#include "image/image.h"
#include "simulate/ask.h"
#include "simulate/simulate_balance.h"

/* A datagram without an address goes to the peer of its socket: see tg_sendmsg(). */
static bool passes_unseen(const struct tg_query *query)
{
	return query->op == TG_OP_SENDMSG && !query->port && !tg_query_is_unix(query);
}

static int match_query(const struct tg_query *query, struct tg_asked *asked, struct tg_found *found)
{
	int error;

	*found = (struct tg_found){0};
	if (!asked->section || passes_unseen(query))
		return 0;
	error = tg_match(&asked->view, asked->section, &asked->keys, TG_ALL_KEYS, found);
	if (!error && tg_default_waives((enum tg_op)query->op, query->port, found->term))
		found->term = NULL;
	return error;
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
	if (term->effects & TG_EFFECT_LOG)
		decision->flags |= TG_DECISION_LOGS;
	if (term->effects & TG_EFFECT_LOW_PORT)
		decision->flags |= TG_DECISION_LOW_PORT;
	if (term->verb == TG_VERB_DENY)
		decision->error = term->error;
	if (tg_query_is_unix(query))
		return;
	if (term->verb == TG_VERB_REWRITE && (term->effects & TG_EFFECT_TO_ADDR))
		memcpy(decision->addr, term->to_addr_be, 16);
	if (term->verb == TG_VERB_REWRITE && (term->effects & TG_EFFECT_TO_PORT))
		decision->port = ntohs(term->to_port_be);
	if (term->effects & TG_EFFECT_BIND_SOURCE) {
		memcpy(decision->bind_source, term->bind_source_addr_be, 16);
		decision->bind_source_port = ntohs(term->bind_source_port_be);
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
	const struct tg_image_about *about = tg_image_row(image->rows, 1);
	struct tg_asked asked;
	struct tg_found found;
	int error = tg_ask(image, tables, query, &asked);

	if (error)
		return error;
	if (!tg_query_is_unix(query) &&
	    !tg_socket_is_seen(query->op, query->proto, query->sock_type))
		made.flags |= TG_DECISION_UNSEEN;
	if (about->flags & TG_IMAGE_SHADOW)
		made.flags |= TG_DECISION_SHADOW;
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

int tg_candidates(const struct tg_image *image, const struct tg_table_rows *tables,
		  const struct tg_query *query, struct tg_backend_rows *candidates)
{
	const struct tg_term_rest *rest = NULL;
	struct tg_asked asked;
	struct tg_found found;
	int error = tg_ask(image, tables, query, &asked);

	*candidates = (struct tg_backend_rows){0};
	if (error)
		return error;
	if (match_query(query, &asked, &found))
		return tg_fail_damaged();
	if (found.term && found.term->verb == TG_VERB_BALANCE)
		rest = tg_row(&asked.view, found.term->rest_row);
	if (rest)
		tg_balance_backends(&asked, rest, candidates);
	return 0;
}
