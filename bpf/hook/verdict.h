/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * verdict.h - what a program returns to the kernel.
 *
 * Everywhere else a function returns 0 or -errno.
 */
#ifndef TG_BPF_HOOK_VERDICT_H
#define TG_BPF_HOOK_VERDICT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/hook/count.h"
#include "bpf/layout/event.h"
#include "bpf/layout/program_spec.h"

/* With TG_EFAULT, which the engine returns, all errnos that programs choose themselves. */
#define TG_EPERM        1
#define TG_ENOMEM       12
#define TG_EAFNOSUPPORT 97

/* A bind that needs no capability for a port below 1024; 0 and -errno are the other outcomes. */
#define TG_PRIVILEGED 1

/* 1 lets the call proceed; 0 denies it, with the errno that was set. */
static __always_inline int tg_verdict(int err)
{
	if (err >= 0)
		return 1;
	bpf_set_retval(err);
	return 0;
}

/* A bind that proceeds may return 3: then it needs no CAP_NET_BIND_SERVICE. */
static __always_inline int tg_bind_verdict(int err)
{
	return err == TG_PRIVILEGED ? 3 : tg_verdict(err);
}

/* There is no usable image: what the policy's on_error says, as 0 or -errno. */
static __always_inline int tg_on_error(enum tg_hook hook)
{
	tg_count_call(hook, TG_OUTCOME_ERROR);
	return tg_spec.deny_on_error ? -TG_EPERM : 0;
}

#endif
