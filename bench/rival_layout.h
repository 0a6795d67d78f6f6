/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* rival_layout.h - keys and values of the maps of rival.bpf.c, which rival.c fills. */
#ifndef BENCH_RIVAL_LAYOUT_H
#define BENCH_RIVAL_LAYOUT_H

#include <linux/types.h>

/* The one destination, and its rewrite. Host order. */
#define RIVAL_FROM_ADDR 0x0a010203 /* 10.1.2.3 */
#define RIVAL_FROM_PORT 6000
#define RIVAL_TO_ADDR   0x0a040506 /* 10.4.5.6 */
#define RIVAL_TO_PORT   7000

struct rival_endpoint {
	__u32 addr_be;
	__u16 port_be;
	__u16 proto;
};

/* The backends of a service: `count` endpoints in an array, from `first` on. */
struct rival_service {
	__u32 count;
	__u32 first;
};

/* 64 MiB of rows, each of which is one cache line. */
#define RIVAL_ROW_BYTES 64
#define RIVAL_ROW_BITS  20

/* Keys of the kernel's LPM trie: the length of the prefix, then the address. */
struct rival_prefix4 {
	__u32 length;
	__u32 addr_be;
};

struct rival_prefix6 {
	__u32 length;
	__u32 addr_be[4];
};

#endif
