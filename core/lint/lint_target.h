/* SPDX-License-Identifier: MIT */
/* lint_target.h - where terms redirect calls to: rewrites, and balances by each backend. */
#ifndef TG_LINT_LINT_TARGET_H
#define TG_LINT_LINT_TARGET_H

#include <stdio.h>

#include "lint/lint.h"

#define TG_NO_VIP (-1)

/* A term that rewrites or balances; if it balances live services, for one of their VIPs only. */
struct tg_rewriter {
	uint32_t term;
	int vip; /* place of the VIP in its table, or TG_NO_VIP */
};

/* What is known of the address to which calls go, after one rewrite or after several. */
struct tg_lint_target {
	bool has_addr, has_port;
	bool any_port;       /* has_port, but it is written as a star */
	uint32_t addr_be[4]; /* IPv4 is v4-mapped */
	uint16_t port_be;
	const struct tg_unix_path *path; /* of a unix socket, instead of all that; or NULL */
};

/* The services that a term balances; NULL: it has its own backends, or does not balance. */
const struct tg_table_rows *tg_rewriter_services(const struct tg_lint *lint,
						 const struct tg_section_reader *reader,
						 uint32_t term);

/* The place of the VIP that calls of protocol `proto` to a target are for; or TG_NO_VIP. */
int tg_lint_vip_at(const struct tg_table_rows *services, const struct tg_lint_target *target,
		   uint32_t proto);

/* How many targets a term has; one of them, and false if calls do not go there at present. */
uint32_t tg_rewriter_targets(const struct tg_lint *lint, const struct tg_section_reader *reader,
			     const struct tg_rewriter *rewriter);
bool tg_rewriter_target(const struct tg_lint *lint, const struct tg_section_reader *reader,
			const struct tg_rewriter *rewriter, uint32_t index,
			struct tg_lint_target *target);

/* Write `127.0.0.1:80`, `[::1]:80`, `127.0.0.1`, `port 80`, `unix:/run/x.sock`. */
void tg_lint_target_write(const struct tg_lint_target *target, FILE *stream);

#endif
