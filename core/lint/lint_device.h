/* SPDX-License-Identifier: MIT */
/* lint_device.h - network devices in a rule's effects that this host does not have. */
#ifndef TG_LINT_LINT_DEVICE_H
#define TG_LINT_LINT_DEVICE_H

#include "lint/lint.h"

int tg_lint_device(struct tg_lint *lint, const struct tg_lint_rule *rule);

#endif
