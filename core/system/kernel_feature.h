/* SPDX-License-Identifier: MIT */
/*
 * kernel_feature.h - what an image may need of the kernel.
 *
 * A row says how to try a feature, and which Linux has it, for users whose kernel
 * does not.  tg_probe() tries.
 */
#ifndef TG_SYSTEM_KERNEL_FEATURE_H
#define TG_SYSTEM_KERNEL_FEATURE_H

#include <stdint.h>

struct tg_kernel_feature {
	const char *name;     /* "the hook connect4" */
	const char *since;    /* the first Linux that has it: "6.7" */
	int (*try)(int what); /* 0; -EPERM: not allowed to know; else why it is not there */
	int what;
	/* What needs it, as bits.  All masks that are not 0 have to be met: */
	uint32_t hooks;    /* 1 << enum tg_hook: a gate that attaches one of them */
	uint32_t effects;  /* enum tg_effect: terms that have one of them */
	uint32_t features; /* enum tg_feature: programs that have one of them */
};

/* The rows; one without a name is the end. */
extern const struct tg_kernel_feature tg_kernel_features[];

#endif
