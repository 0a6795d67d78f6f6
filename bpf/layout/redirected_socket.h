/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* redirected_socket.h - a redirected socket, as the iterators of redirected.bpf.c report it. */
#ifndef TG_BPF_LAYOUT_REDIRECTED_SOCKET_H
#define TG_BPF_LAYOUT_REDIRECTED_SOCKET_H

#include <linux/types.h>

/* IPv4 addresses are v4-mapped. */
struct tg_redirected {
	__u64 cookie;
	__u32 netns;  /* inode of its network namespace */
	__u16 family; /* an AF_INET6 socket may be connected to IPv4 */
	__u16 proto;
	__u32 asked_addr_be[4];
	__u32 final_addr_be[4]; /* where the connect was redirected to */
	__u32 peer_addr_be[4];  /* like final_addr_be, unless that is 0.0.0.0 or :: */
	__u32 own_addr_be[4];
	__u16 asked_port_be;
	__u16 final_port_be;
	__u16 peer_port_be;
	__u16 own_port_be;
	__u32 device;    /* index of the device that it is bound to, or 0 */
	__u32 connected; /* 0: not yet, or the attempt has failed */
};

#endif
