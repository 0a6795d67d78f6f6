/* SPDX-License-Identifier: MIT */
/* kernel_probe.h - what this kernel can do, found by trying.  Nothing is left behind. */
#ifndef TG_SYSTEM_KERNEL_PROBE_H
#define TG_SYSTEM_KERNEL_PROBE_H

#include <stdint.h>

/*
 * Whether the kernel has a feature, a row of tg_kernel_features: 0, -ENOTSUP, or
 * -EPERM if this process may not find out.  Each feature is tried once per process.
 */
int tg_probe(uint32_t feature);

/* 0, after closing a new descriptor that is not needed; or the -errno in its place. */
int tg_probe_close(int fd);

/*
 * Ways to try: load a program of a hook; call a helper from one; write to its
 * context; make a map of a type.
 */
#define TG_TRY_IN(hook, what) ((hook) << 16 | (int)(what))

int tg_try_hook(int hook);
int tg_try_helper(int hook_and_helper);
int tg_try_write(int hook_and_offset);
int tg_try_map(int type);
int tg_try_mmapable(int unused);
int tg_try_types(int unused);

#endif
