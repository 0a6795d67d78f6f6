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
#include "bpf/engine/shared_read.h"
#include "bpf/hook/count.h"
#include "bpf/hook/maps.h"
#include "bpf/layout/enums.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"

/* These and TG_EFAULT, which the engine returns, are all errnos that programs choose themselves. */
#define TG_EPERM        1
#define TG_ENOMEM       12
#define TG_EAFNOSUPPORT 97

/* A bind's third outcome, beside 0 and -errno: it needs no capability for a port below 1024. */
#define TG_LOW_PORT 1

/*
 * The outcome of a denial that names no errno, beside 0 and -errno: a program that only
 * says no leaves an errno that another program has set, else the kernel sets EPERM.
 */
#define TG_PLAIN_DENIAL (-4096)

/* Hooks that can refuse a call; in the others the kernel has neither of the two helpers. */
#define TG_OPS_REFUSING (TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_BIND) | TG_BIT(TG_OP_SENDMSG))

/*
 * Whether another program has refused the call already, 1 or 0: the kernel runs all programs of
 * a call.  It is asked again where it is needed, because a number that is kept takes stack.
 */
static __always_inline __u32 tg_refused_before(enum tg_op op)
{
	return TG_OPS_REFUSING >> op & 1 ? (__u32)bpf_get_retval() >> 31 : 0;
}

/* The outcome of a term that denies. */
static __always_inline int tg_denial(const struct tg_term *term)
{
	return term->effects & TG_EFFECT_ERRNO ? -(int)term->error : TG_PLAIN_DENIAL;
}

/* 1 lets the call proceed; 0 denies it, with the errno that was set. */
static __always_inline int tg_verdict(int err)
{
	if (err >= 0)
		return 1;
	if (err != TG_PLAIN_DENIAL)
		bpf_set_retval(err);
	return 0;
}

/* At bind, a program may also return 3: the call proceeds and needs no CAP_NET_BIND_SERVICE. */
static __always_inline int tg_bind_verdict(int err)
{
	return err == TG_LOW_PORT ? 3 : tg_verdict(err);
}

/* The outcome if there is no usable image: 0 or a denial. */
static __always_inline int tg_on_error(enum tg_hook hook, enum tg_op op)
{
	tg_count_call(hook, TG_OUTCOME_ERROR);
	return TG_DENY_ON_ERROR(TG_LOAD(tg_in_force)) >> op & 1 ? TG_PLAIN_DENIAL : 0;
}

/* Whether a call is refused because it is not known who makes it. */
static __always_inline int tg_denies_unknown(enum tg_op op)
{
	return TG_DENY_ON_ERROR(TG_LOAD(tg_in_force)) >> op >> TG_DENY_UNKNOWN_SHIFT & 1;
}

#endif
