/* SPDX-License-Identifier: MIT */
/*
 * kernel_probe.h - what this kernel can do, found by trying.  Nothing is left behind.
 *
 * A thing that an image may need is a row of tg_kernel_features: how to try it, and the
 * Linux that has it for those where trying fails.
 */
#ifndef TG_SYSTEM_KERNEL_PROBE_H
#define TG_SYSTEM_KERNEL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct tg_kernel_feature {
	const char *name;     /* "the hook connect4" */
	const char *since;    /* the first Linux that has it: "6.7" */
	int (*try)(int what); /* 0, -EPERM: not allowed to know, or why it is not there */
	int what;
	/* Who has to have it; of those that are not 0 all hold.  Bits: */
	uint32_t hooks;    /* 1 << enum tg_hook: who attaches one of them */
	uint32_t effects;  /* enum tg_effect: whose terms have one of them */
	uint32_t features; /* enum tg_feature: whose programs have one of them */
};

/* The rows, ended by one without a name. */
extern const struct tg_kernel_feature tg_kernel_features[];

/* Whether the kernel has it: 0, -EPERM or -ENOTSUP.  Each is tried once a process. */
int tg_probe(uint32_t need);

/* Ways to try: a hook; what a program of a hook may call, or write of its context; a map's type. */
#define TG_TRY_IN(hook, what) ((hook) << 16 | (int)(what))

int tg_try_hook(int hook);
int tg_try_helper(int hook_and_helper);
int tg_try_write(int hook_and_offset);
int tg_try_map(int type);
int tg_try_mmapable(int unused);
int tg_try_types(int unused);

#endif
