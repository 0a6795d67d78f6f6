/* SPDX-License-Identifier: MIT */
/*
 * lint.h - what all checks of a policy share.
 *
 * lint.c goes through the rules.  lint_never.c finds rules that can never match,
 * lint_loop.c follows rewrites and balances to the targets that lint_target.c
 * finds, lint_egress.c checks rules for datagrams and for the loopback,
 * lint_source.c those that ask for the source of a call, lint_port.c those that
 * deny a port to bind, lint_unseen.c those about calls that no hook sees, lint_probe.c
 * those that count, lint_address.c the addresses in their texts, and lint_device.c the
 * network devices that they bind to.
 */
#ifndef TG_LINT_LINT_H
#define TG_LINT_LINT_H

#include "lint/cover.h"
#include "lint/section_reader.h"
#include "tidegate.h"

struct tg_lint {
	const struct tg_image *image;
	struct tg_section_reader reader[TG_PLACES];
	bool known[TG_PLACES];              /* whether `reader` has read the section */
	const struct tg_table_rows *tables; /* the image's, with their first contents */
	bool services;                      /* whether `tables` has services */
	struct tg_cover_work work;
	uint32_t hops;               /* that lint_loop.c has followed */
	uint64_t *picked;            /* see lint_port.c; NULL: not asked for yet */
	uint64_t *seen[TG_OP_COUNT]; /* see lint_unseen.c; NULL: not asked for yet */
	struct tg_finding *at;
	uint32_t count, capacity;
};

/* A rule, as the checks see it. */
struct tg_lint_rule {
	uint32_t index;
	struct tg_rule_info info;
	uint32_t first[TG_PLACES], end[TG_PLACES]; /* its terms, by section */
};

#endif
