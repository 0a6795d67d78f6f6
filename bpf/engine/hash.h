/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* hash.h - hashing, the same in the programs and in core, which writes what they look up. */
#ifndef TG_BPF_ENGINE_HASH_H
#define TG_BPF_ENGINE_HASH_H

#include "bpf/engine/verifier.h"

/* 64 bits, each of which depends on all bits of `number` (constants: splitmix64). */
static __always_inline __u64 tg_mix(__u64 number)
{
	number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9ull;
	number = (number ^ (number >> 27)) * 0x94d049bb133111ebull;
	return number ^ (number >> 31);
}

static __always_inline __u64 tg_mix128(__u64 seed, __u64 high, __u64 low)
{
	return tg_mix(tg_mix(high ^ seed) + low);
}

/* A number below `count`, as evenly distributed as the upper half of `hash`. */
static __always_inline __u32 tg_reduce(__u64 hash, __u32 count)
{
	return (__u32)((hash >> 32) * count >> 32);
}

#endif
