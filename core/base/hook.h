/* SPDX-License-Identifier: MIT */
/* hook.h - the hooks, as the kernel and the BPF object know them. */
#ifndef TG_BASE_HOOK_H
#define TG_BASE_HOOK_H

#include <linux/bpf.h>

#include "tidegate.h"

struct tg_hook_kind {
	const char *name; /* also that of its program */
	enum bpf_attach_type attach_type;
	enum tg_op op;
};

/* By enum tg_hook. */
extern const struct tg_hook_kind tg_hook_kinds[TG_HOOKS];

#endif
