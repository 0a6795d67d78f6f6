/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * verdict.h - what a program returns to the kernel.
 *
 * Everywhere else in the programs, an outcome is 0 or -errno.
 */
#ifndef TG_BPF_HOOK_VERDICT_H
#define TG_BPF_HOOK_VERDICT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/hook/count.h"
#include "bpf/layout/event.h"
#include "bpf/layout/program_spec.h"

/* These and TG_EFAULT, which the engine returns, are all errnos that programs choose themselves. */
#define TG_EPERM        1
#define TG_ENOMEM       12
#define TG_EAFNOSUPPORT 97

/* A bind's third outcome, beside 0 and -errno: it needs no capability for a port below 1024. */
#define TG_PRIVILEGED 1

/* 1 lets the call proceed; 0 denies it, with the errno that was set. */
static __always_inline int tg_verdict(int err)
{
	if (err >= 0)
		return 1;
	bpf_set_retval(err);
	return 0;
}

/* At bind, a program may also return 3: the call proceeds and needs no CAP_NET_BIND_SERVICE. */
static __always_inline int tg_bind_verdict(int err)
{
	return err == TG_PRIVILEGED ? 3 : tg_verdict(err);
}

/* The outcome if there is no usable image, 0 or -errno: the policy's on_error chooses it. */
static __always_inline int tg_on_error(enum tg_hook hook)
{
	tg_count_call(hook, TG_OUTCOME_ERROR);
	return tg_spec.deny_on_error ? -TG_EPERM : 0;
}

#endif
