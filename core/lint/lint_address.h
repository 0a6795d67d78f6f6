/* SPDX-License-Identifier: MIT */
/* lint_address.h - IPv6 addresses that were perhaps to be an address and a port. */
#ifndef TG_LINT_LINT_ADDRESS_H
#define TG_LINT_LINT_ADDRESS_H

#include "lint/lint.h"

/* Add a finding if the rule's text has an address that ends like a port: "2001:db8::1:443". */
int tg_lint_address(struct tg_lint *lint, const struct tg_lint_rule *rule);

#endif
