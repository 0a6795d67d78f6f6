/* SPDX-License-Identifier: MIT */
/* lint_source.h - rules whose condition on the source leaves out sockets that are not bound. */
#ifndef TG_LINT_LINT_SOURCE_H
#define TG_LINT_LINT_SOURCE_H

#include "lint/lint.h"

int tg_lint_source(struct tg_lint *lint, const struct tg_lint_rule *rule);

#endif
