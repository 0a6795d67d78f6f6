/* SPDX-License-Identifier: MIT */
/* alias_table.h - the alias table of a list of backends, which a random choice uses. */
#ifndef TG_TABLE_ALIAS_TABLE_H
#define TG_TABLE_ALIAS_TABLE_H

#include "bpf/layout/backend_layout.h"
#include "parse/backend.h"

/* Write `share` and `alias` of each backend, so that it is drawn as often as its weight says. */
void tg_alias_table_build(const struct tg_backends *backends, struct tg_backend *at);

#endif
