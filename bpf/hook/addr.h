/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* addr.h - addresses in programs: four words in network order, IPv4 v4-mapped. */
#ifndef TG_BPF_HOOK_ADDR_H
#define TG_BPF_HOOK_ADDR_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/layout/program_spec.h"

#define TG_MAPPED_BE bpf_htonl(0xffff) /* third word of ::ffff:0:0/96 */

static __always_inline int tg_is_mapped(const __u32 addr_be[4])
{
	return !addr_be[0] && !addr_be[1] && addr_be[2] == TG_MAPPED_BE;
}

static __always_inline int tg_same_addr(const __u32 a[4], const __u32 b[4])
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline void tg_copy_addr(__u32 to[4], const __u32 from[4])
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

/* Whether this is 0.0.0.0 or ::, which the kernel replaces by an address of this machine. */
static __always_inline int tg_is_unspecified(const __u32 addr_be[4])
{
	return !(addr_be[0] | addr_be[1] | addr_be[3]) &&
	       (!addr_be[2] || addr_be[2] == TG_MAPPED_BE);
}

/* Whether a call was redirected to this address, that of a report or of a connected socket. */
static __always_inline int tg_redirected_to(const struct tg_rewrite *rewrite,
					    const __u32 addr_be[4], __u16 port_be)
{
	if (!rewrite->final_port_be || rewrite->final_port_be != port_be)
		return 0;
	return tg_same_addr(rewrite->final_addr_be, addr_be) ||
	       tg_is_unspecified(rewrite->final_addr_be) || tg_is_unspecified(addr_be);
}

#endif
