/* SPDX-License-Identifier: MIT */
/* lint_zero.h - the terms that hold for the value 0 of some fields. */
#ifndef TG_LINT_LINT_ZERO_H
#define TG_LINT_LINT_ZERO_H

#include "lint/section_reader.h"

/* 1: some of the terms from `first` to before `end` hold if all these fields are 0; 0: none does.
 */
int tg_lint_hold_zero(const struct tg_section_reader *reader, uint32_t first, uint32_t end,
		      const enum tg_key *keys, uint32_t count);

#endif
