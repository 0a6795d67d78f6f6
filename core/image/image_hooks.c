/* SPDX-License-Identifier: MIT */
/* image_hooks.c - which hooks a gate attaches for an image: none that it does not need. */
#include "image/image_hooks.h"

#include <netinet/in.h>

#include "bpf/engine/match_many.h"
#include "bpf/engine/tree_search.h"
#include "image/image.h"

/* The hooks of each operation, for both families. */
static const uint32_t inet_hooks[TG_OP_COUNT] = {
	[TG_OP_CONNECT] = TG_BIT(TG_HOOK_CONNECT4) | TG_BIT(TG_HOOK_CONNECT6),
	[TG_OP_BIND] = TG_BIT(TG_HOOK_BIND4) | TG_BIT(TG_HOOK_BIND6),
	[TG_OP_SENDMSG] = TG_BIT(TG_HOOK_SENDMSG4) | TG_BIT(TG_HOOK_SENDMSG6),
	[TG_OP_RECVMSG] = TG_BIT(TG_HOOK_RECVMSG4) | TG_BIT(TG_HOOK_RECVMSG6),
	[TG_OP_GETPEERNAME] = TG_BIT(TG_HOOK_GETPEERNAME4) | TG_BIT(TG_HOOK_GETPEERNAME6),
	[TG_OP_GETSOCKNAME] = TG_BIT(TG_HOOK_GETSOCKNAME4) | TG_BIT(TG_HOOK_GETSOCKNAME6),
};

static bool rewrites(const struct tg_term *term, bool revealed)
{
	if (term->verb != TG_VERB_REWRITE && term->verb != TG_VERB_BALANCE)
		return false;
	if (term->effects & TG_EFFECT_TRIAL)
		return false;
	return revealed || !(term->effects & TG_EFFECT_REVEAL);
}

static bool section_rewrites(const void *rows, int place, bool revealed)
{
	const struct tg_section *section = tg_image_section_at(rows, place);

	for (uint32_t i = 0; section && i < section->terms; i++)
		if (rewrites(&tg_image_terms(rows, section)[i], revealed))
			return true;
	return false;
}

bool tg_image_op_rewrites(const void *rows, enum tg_op op, bool revealed)
{
	return section_rewrites(rows, (int)op, revealed);
}

/* Whether a term can match a socket of this protocol. */
static bool term_takes_proto(const struct tg_view *view, const struct tg_section *section,
			     uint32_t term, uint32_t proto)
{
	const struct tg_tree *tree = &section->tree[TG_KEY_PROTO];
	const __u64 *bits;

	if (!(section->keys >> TG_KEY_PROTO & 1))
		return true;
	bits = tg_word(view, (uint64_t)tree->bitset * 8 + (uint32_t)tg_class32(view, tree, proto));
	if (section->terms <= TG_WORD_TERMS)
		return *bits >> term & 1;
	return tg_head_has(view, *bits, term) == 1;
}

/* Such a socket must be shown, with each datagram, the address that it had asked for. */
static bool rewrites_datagram_peers(const void *rows)
{
	const struct tg_image_header *header = rows;
	const struct tg_view view = {.rows = rows, .count = header->rows};
	const struct tg_section *section = tg_image_section_at(rows, TG_OP_CONNECT);

	for (uint32_t i = 0; section && i < section->terms; i++)
		if (rewrites(&tg_image_terms(rows, section)[i], false) &&
		    (term_takes_proto(&view, section, i, IPPROTO_UDP) ||
		     term_takes_proto(&view, section, i, IPPROTO_UDPLITE)))
			return true;
	return false;
}

/* --- Unix sockets --------------------------------------------------------------- */

bool tg_image_rewrites_paths(const void *rows, bool shown)
{
	for (int op = 0; op < TG_OP_COUNT; op++)
		if ((!shown || TG_OPS_EGRESS >> op & 1) &&
		    section_rewrites(rows, TG_OP_COUNT + op, !shown))
			return true;
	return false;
}

/* The operations that have rules, and those that report what these rewrite. */
static uint32_t unix_hooks(const void *rows)
{
	static const uint32_t hook_of[TG_OP_COUNT] = {
		[TG_OP_CONNECT] = TG_BIT(TG_HOOK_CONNECT_UNIX),
		[TG_OP_SENDMSG] = TG_BIT(TG_HOOK_SENDMSG_UNIX),
		[TG_OP_RECVMSG] = TG_BIT(TG_HOOK_RECVMSG_UNIX),
		[TG_OP_GETPEERNAME] = TG_BIT(TG_HOOK_GETPEERNAME_UNIX),
		[TG_OP_GETSOCKNAME] = TG_BIT(TG_HOOK_GETSOCKNAME_UNIX),
	};
	uint32_t hooks = 0;

	for (int op = 0; op < TG_OP_COUNT; op++)
		if (tg_image_section_row(rows, TG_OP_COUNT + op))
			hooks |= hook_of[op];
	if (tg_image_rewrites_paths(rows, true))
		hooks |= hook_of[TG_OP_RECVMSG] | hook_of[TG_OP_GETPEERNAME];
	return hooks;
}

/* --- All hooks ------------------------------------------------------------------ */

uint32_t tg_image_hooks(const void *rows)
{
	uint32_t hooks = unix_hooks(rows);

	for (int op = 0; op < TG_OP_COUNT; op++)
		if (tg_image_section_row(rows, op))
			hooks |= inet_hooks[op];
	if (tg_image_op_rewrites(rows, TG_OP_CONNECT, false))
		hooks |= inet_hooks[TG_OP_GETPEERNAME];
	if (rewrites_datagram_peers(rows) || tg_image_op_rewrites(rows, TG_OP_SENDMSG, false))
		hooks |= inet_hooks[TG_OP_RECVMSG];
	if (tg_image_op_rewrites(rows, TG_OP_BIND, false))
		hooks |= inet_hooks[TG_OP_GETSOCKNAME];
	return hooks;
}
