/* SPDX-License-Identifier: MIT */
/* hook.h - the hooks, with the names that the kernel and the BPF object have for them. */
#ifndef TG_BASE_HOOK_H
#define TG_BASE_HOOK_H

#include <linux/bpf.h>

#include "bpf/layout/image_layout.h"
#include "tidegate.h"

struct tg_hook_kind {
	const char *name; /* also the name of its program */
	enum bpf_attach_type attach_type;
	enum tg_op op;
};

/* By enum tg_hook. */
extern const struct tg_hook_kind tg_hook_kinds[TG_HOOK_COUNT];

/* Masks of hooks; TG_UNIX_HOOKS is in bpf/layout/image_layout.h. */
#define TG_HOOK_BIT(hook) (1u << (hook))
#define TG_BIND_HOOKS     (TG_HOOK_BIT(TG_HOOK_BIND4) | TG_HOOK_BIT(TG_HOOK_BIND6))
#define TG_CONNECT_HOOKS                                                                           \
	(TG_HOOK_BIT(TG_HOOK_CONNECT4) | TG_HOOK_BIT(TG_HOOK_CONNECT6) |                           \
	 TG_HOOK_BIT(TG_HOOK_CONNECT_UNIX))
#define TG_SENDMSG_HOOKS                                                                           \
	(TG_HOOK_BIT(TG_HOOK_SENDMSG4) | TG_HOOK_BIT(TG_HOOK_SENDMSG6) |                           \
	 TG_HOOK_BIT(TG_HOOK_SENDMSG_UNIX))
#define TG_ALL_HOOKS (TG_HOOK_BIT(TG_HOOK_COUNT) - 1)

/* The kernel lets the hooks of these change an answer, but not refuse the call. */
#define TG_OPS_REPORTS                                                                             \
	(TG_BIT(TG_OP_RECVMSG) | TG_BIT(TG_OP_GETPEERNAME) | TG_BIT(TG_OP_GETSOCKNAME))

#endif
