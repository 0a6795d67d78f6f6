/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * setsockopt.h - the socket options that a term sets.
 *
 * The numbers are those of the kernel's user interface.  Those of SOL_SOCKET
 * differ between architectures; these are asm-generic's.
 */
#ifndef TG_BPF_HOOK_SETSOCKOPT_H
#define TG_BPF_HOOK_SETSOCKOPT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/tree_search.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/context.h"
#include "bpf/layout/image_layout.h"

#define SOL_IP          0
#define SOL_SOCKET      1
#define SOL_TCP         6
#define SOL_IPV6        41
#define SO_KEEPALIVE    9
#define SO_PRIORITY     12
#define SO_BINDTODEVICE 25
#define SO_MARK         36
#define IP_TOS          1
#define IPV6_TCLASS     67
#define TCP_KEEPIDLE    4
#define TCP_KEEPINTVL   5
#define TCP_KEEPCNT     6
#define TCP_CONGESTION  13

#define TG_OPTION(bit, level, name, member)                                                        \
	if (!err && (options->given & (bit)))                                                      \
		err = bpf_setsockopt(call->ctx, level, name, (void *)&options->member,             \
				     sizeof(options->member));

/* If the kernel refuses an option, the call fails: the rule promises the options. */
static __always_inline int tg_set_options(struct tg_call *call, const struct tg_term *term)
{
	const struct tg_term_rest *rest = tg_row(&call->view, term->rest_row);
	const struct tg_options *options = rest ? tg_row(&call->view, rest->options_row) : 0;
	long err = 0;

	if (!options)
		return -TG_EFAULT;
	TG_OPTION(TG_OPTION_MARK, SOL_SOCKET, SO_MARK, mark)
	TG_OPTION(TG_OPTION_DEVICE, SOL_SOCKET, SO_BINDTODEVICE, device)
	TG_OPTION(TG_OPTION_KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE, keepalive)
	if (tg_hook_is4(call->hook)) {
		TG_OPTION(TG_OPTION_TOS, SOL_IP, IP_TOS, tos)
	} else {
		TG_OPTION(TG_OPTION_TOS, SOL_IPV6, IPV6_TCLASS, tos)
	}
	/* After the TOS, because the kernel derives a priority from that, too. */
	TG_OPTION(TG_OPTION_PRIORITY, SOL_SOCKET, SO_PRIORITY, priority)
	TG_OPTION(TG_OPTION_KEEPIDLE, SOL_TCP, TCP_KEEPIDLE, keepidle)
	TG_OPTION(TG_OPTION_KEEPINTVL, SOL_TCP, TCP_KEEPINTVL, keepintvl)
	TG_OPTION(TG_OPTION_KEEPCNT, SOL_TCP, TCP_KEEPCNT, keepcnt)
	TG_OPTION(TG_OPTION_CONGESTION, SOL_TCP, TCP_CONGESTION, congestion)
	return err < 0 ? (int)err : 0;
}

#endif
