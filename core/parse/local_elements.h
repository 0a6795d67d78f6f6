/* SPDX-License-Identifier: MIT */
/* local_elements.h - the addresses of this host, which "@local" stands for, as elements of a set.
 */
#ifndef TG_PARSE_LOCAL_ELEMENTS_H
#define TG_PARSE_LOCAL_ELEMENTS_H

#include <stdbool.h>

#include "parse/element.h"

/* The live set that has them.  No policy can declare one of this name. */
#define TG_LOCAL_SET "local"

/* How many elements it has room for: an IPv4 address takes seven. */
#define TG_LOCAL_SET_SIZE 16384u

/* Append those of this network namespace, and loopback. */
int tg_local_elements_add(struct tg_elements *elements);

#endif
