/* SPDX-License-Identifier: MIT */
/* netns.h - the cookie of a network namespace. */
#ifndef TG_SYSTEM_NETNS_H
#define TG_SYSTEM_NETNS_H

#include <stdint.h>

/* Find it by "self", a path, or the cookie itself.  `text` is a part of `item`. */
int tg_netns_find(const char *item, const char *text, uint64_t *cookie);

#endif
