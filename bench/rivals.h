/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* rivals.h - what the comparison programs share with those who fill their maps. */
#ifndef BENCH_RIVALS_H
#define BENCH_RIVALS_H

#include <linux/types.h>

/* The one destination, and where a rewrite turns it.  Host order. */
#define RIVAL_FROM_ADDR 0x0a010203 /* 10.1.2.3 */
#define RIVAL_FROM_PORT 6000
#define RIVAL_TO_ADDR   0x0a040506 /* 10.4.5.6 */
#define RIVAL_TO_PORT   7000

struct rival_endpoint {
	__u32 addr_be;
	__u16 port_be;
	__u16 proto;
};

/* A service's backends, one behind the other in an array of endpoints. */
struct rival_service {
	__u32 count;
	__u32 first;
};

/* 64 MiB of them. */
#define RIVAL_ROW_BYTES 64
#define RIVAL_ROW_BITS  20

/* Keys of the kernel's LPM trie: a length, then the address. */
struct rival_prefix4 {
	__u32 length;
	__u32 addr_be;
};

struct rival_prefix6 {
	__u32 length;
	__u32 addr_be[4];
};

#endif
