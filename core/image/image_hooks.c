/* SPDX-License-Identifier: MIT */
/* image_hooks.c - what a gate attaches for an image: no hook that it does not need. */
#include <netinet/in.h>

#include "bpf/engine/match.h"
#include "image/image.h"

/* Those of one operation, in both families. */
static const uint32_t inet_hooks[TG_OPS] = {
	[TG_OP_CONNECT] = 1u << TG_HOOK_CONNECT4 | 1u << TG_HOOK_CONNECT6,
	[TG_OP_BIND] = 1u << TG_HOOK_BIND4 | 1u << TG_HOOK_BIND6,
	[TG_OP_SENDMSG] = 1u << TG_HOOK_SENDMSG4 | 1u << TG_HOOK_SENDMSG6,
	[TG_OP_RECVMSG] = 1u << TG_HOOK_RECVMSG4 | 1u << TG_HOOK_RECVMSG6,
	[TG_OP_GETPEERNAME] = 1u << TG_HOOK_GETPEERNAME4 | 1u << TG_HOOK_GETPEERNAME6,
	[TG_OP_GETSOCKNAME] = 1u << TG_HOOK_GETSOCKNAME4 | 1u << TG_HOOK_GETSOCKNAME6,
};

static bool rewrites(const struct tg_term *term, bool revealed)
{
	if (term->verb != TG_VERB_REWRITE && term->verb != TG_VERB_BALANCE)
		return false;
	return revealed || !(term->effects & TG_EFFECT_REVEAL);
}

bool tg_image_op_rewrites(const struct tg_image_header *header, enum tg_op op, bool revealed)
{
	const struct tg_section *section;
	const struct tg_term *term;

	if (!header->section[op])
		return false;
	section = tg_image_row(header, header->section[op]);
	term = tg_image_row(header, section->term_row);
	for (uint32_t i = 0; i < section->terms; i++)
		if (rewrites(&term[i], revealed))
			return true;
	return false;
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

/* A connected datagram socket is told, with each datagram, where it came from. */
static bool rewrites_datagram_peers(const struct tg_image_header *header)
{
	const struct tg_view view = {.rows = header, .count = header->rows};
	const struct tg_section *section;
	const struct tg_term *term;

	if (!header->section[TG_OP_CONNECT])
		return false;
	section = tg_image_row(header, header->section[TG_OP_CONNECT]);
	term = tg_image_row(header, section->term_row);
	for (uint32_t i = 0; i < section->terms; i++)
		if (rewrites(&term[i], false) &&
		    (term_takes_proto(&view, section, i, IPPROTO_UDP) ||
		     term_takes_proto(&view, section, i, IPPROTO_UDPLITE)))
			return true;
	return false;
}

/* --- Unix sockets --------------------------------------------------------------- */

static bool section_rewrites(const void *rows, uint32_t row, bool shown)
{
	const struct tg_section *section = tg_image_row(rows, row);
	const struct tg_term *term = tg_image_row(rows, section->term_row);

	for (uint32_t i = 0; i < section->terms; i++)
		if (rewrites(&term[i], !shown))
			return true;
	return false;
}

bool tg_image_rewrites_paths(const void *rows, bool shown)
{
	const uint32_t goes = 1u << TG_OP_CONNECT | 1u << TG_OP_SENDMSG;

	for (int op = 0; op < TG_OPS; op++) {
		uint32_t row = tg_image_section_row(rows, TG_OPS + op);

		if (row && (!shown || goes >> op & 1) && section_rewrites(rows, row, shown))
			return true;
	}
	return false;
}

/* The operations that have rules, and those that report what these turned. */
static uint32_t unix_hooks(const void *rows)
{
	static const uint32_t hook_of[TG_OPS] = {
		[TG_OP_CONNECT] = 1u << TG_HOOK_CONNECT_UNIX,
		[TG_OP_SENDMSG] = 1u << TG_HOOK_SENDMSG_UNIX,
		[TG_OP_RECVMSG] = 1u << TG_HOOK_RECVMSG_UNIX,
		[TG_OP_GETPEERNAME] = 1u << TG_HOOK_GETPEERNAME_UNIX,
		[TG_OP_GETSOCKNAME] = 1u << TG_HOOK_GETSOCKNAME_UNIX,
	};
	uint32_t hooks = 0;

	for (int op = 0; op < TG_OPS; op++)
		if (tg_image_section_row(rows, TG_OPS + op))
			hooks |= hook_of[op];
	if (tg_image_rewrites_paths(rows, true))
		hooks |= hook_of[TG_OP_RECVMSG] | hook_of[TG_OP_GETPEERNAME];
	return hooks;
}

uint32_t tg_image_hooks(const struct tg_image_header *header)
{
	uint32_t hooks = unix_hooks(header);

	for (int op = 0; op < TG_OPS; op++)
		if (header->section[op])
			hooks |= inet_hooks[op];
	if (tg_image_op_rewrites(header, TG_OP_CONNECT, false))
		hooks |= inet_hooks[TG_OP_GETPEERNAME];
	if (rewrites_datagram_peers(header) || tg_image_op_rewrites(header, TG_OP_SENDMSG, false))
		hooks |= inet_hooks[TG_OP_RECVMSG];
	if (tg_image_op_rewrites(header, TG_OP_BIND, false))
		hooks |= inet_hooks[TG_OP_GETSOCKNAME];
	return hooks;
}
