/* SPDX-License-Identifier: MIT */
/* backend.h - where a balance may lead, and lists of that as blocks of rows. */
#ifndef TG_PARSE_BACKEND_H
#define TG_PARSE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/layout/backend_layout.h"
#include "tidegate.h"

struct tg_backend_place {
	uint32_t addr_be[4]; /* IPv4 is v4-mapped */
	uint16_t port_be;    /* 0: the call's */
	uint16_t weight;
	uint32_t state; /* enum tg_backend_state */
};

struct tg_backends {
	struct tg_backend_place *at;
	uint32_t count;
};

/* Append "10.0.1.5:8080". -EINVAL, -EEXIST, -E2BIG; the text starts with what is wrong. */
int tg_backends_add(struct tg_backends *backends, const char *text, uint32_t weight, uint32_t ops);

/* Append what users say of live ones. */
int tg_backends_take(struct tg_backends *backends, const struct tg_backend_spec *specs,
		     size_t count);

/* Whether some backend of a list has this address and port, and is not down. */
bool tg_backends_serve(const struct tg_backends *backends, const struct tg_backend_place *place);

void tg_backends_free(struct tg_backends *backends);

uint32_t tg_backends_extent(const struct tg_backends *backends);

/* A list in memory: what programs pick from. */
struct tg_backend_rows {
	struct tg_choices *choices;
	struct tg_backend *backends;
	uint32_t count;
};

/* Write how chance chooses among them: `lot` and `other` of each. */
void tg_alias_table_build(const struct tg_backends *backends, struct tg_backend *at);

/* Fill rows of zeros; none of the backends has been picked yet. */
void tg_backend_rows_write(const struct tg_backend_rows *rows, const struct tg_backends *backends);

void tg_backend_rows_read(const struct tg_backend_rows *rows, uint32_t index,
			  struct tg_backend_info *info);

/* The backend with this one's address and port, or NULL; most likely it is number `guess`. */
struct tg_backend *tg_backend_rows_find(const struct tg_backend_rows *rows, uint32_t guess,
					const struct tg_backend *like);

/* The list of a block; only to be read if the block may only be read. */
struct tg_backend_rows tg_block_backends(const struct tg_block *block);

/* Fill the rows of a block, which are zeros. */
void tg_block_write(const struct tg_backends *backends, uint32_t rule, void *rows);

/* How a backend is chosen. */
struct tg_balance {
	uint32_t by;        /* enum tg_balance_by */
	uint32_t sticky_by; /* likewise: whose calls stay with one */
	uint32_t sticky_ms; /* 0: nobody's */
};

/* The "by", "key" and "sticky" of a rule. */
int tg_balance_parse(const struct tg_rule *rule, struct tg_balance *balance);

#endif
