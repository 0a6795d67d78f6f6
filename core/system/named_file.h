/* SPDX-License-Identifier: MIT */
/* named_file.h - what rules name by the path of a file: executables and network namespaces. */
#ifndef TG_SYSTEM_NAMED_FILE_H
#define TG_SYSTEM_NAMED_FILE_H

#include <stdint.h>

#include "base/interval.h"

/* Device and inode of an executable, as the kernel numbers them.  `path` is a part of `item`. */
int tg_exe_find(const char *item, const char *path, struct tg_key128 *key);

/* The cookie of a network namespace: "self", a path, or the cookie itself. */
int tg_netns_find(const char *item, const char *text, uint64_t *cookie);

#endif
