/* SPDX-License-Identifier: MIT */
/* exe.h - an executable as the kernel knows it: by device and inode. */
#ifndef TG_SYSTEM_EXE_H
#define TG_SYSTEM_EXE_H

#include "base/interval.h"

/* The device (`hi`) and inode (`lo`) of an executable.  `path` is a part of `item`. */
int tg_exe_find(const char *item, const char *path, struct tg_key128 *key);

#endif
