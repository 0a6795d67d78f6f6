/* SPDX-License-Identifier: MIT */
/*
 * alias_table.c - the alias table of a list: with it a random choice gives each backend its share.
 *
 * Vose's construction of Walker's alias table, in integers, so that nothing is
 * left over: M. D. Vose, "A linear algorithm for generating random numbers
 * with a given distribution", IEEE Trans. Softw. Eng. 17(9), 1991.
 */
#include "table/alias_table.h"

/* What each backend still has to get: `sum` fills one place, and there is a place for each. */
struct shares {
	uint64_t part[TG_MAX_BACKENDS];
	uint64_t sum;
	uint16_t number[TG_MAX_BACKENDS]; /* `small` with too little for a place; at the end ... */
	uint32_t small, large;            /* ... `large` with enough for one */
	uint32_t count;
};

static void put(struct shares *shares, uint32_t i)
{
	if (shares->part[i] < shares->sum)
		shares->number[shares->small++] = (uint16_t)i;
	else
		shares->number[shares->count - ++shares->large] = (uint16_t)i;
}

static void begin(struct shares *shares, const struct tg_backends *backends)
{
	*shares = (struct shares){.count = backends->count};
	for (uint32_t i = 0; i < backends->count; i++) {
		const struct tg_backend_place *place = &backends->at[i];

		shares->part[i] = place->state == TG_BACKEND_UP ? place->weight : 0;
		shares->sum += shares->part[i];
	}
	for (uint32_t i = 0; i < backends->count; i++) {
		shares->part[i] *= shares->count;
		put(shares, i);
	}
}

void tg_alias_table_build(const struct tg_backends *backends, struct tg_backend *at)
{
	struct shares shares;

	begin(&shares, backends);
	for (uint32_t i = 0; i < shares.count; i++) {
		at[i].share = shares.sum ? TG_ALIAS_ONE : 0;
		at[i].alias = (uint16_t)i;
	}
	while (shares.sum && shares.small) {
		uint32_t i = shares.number[--shares.small];
		uint32_t rich = shares.number[shares.count - shares.large--];

		at[i].share = (uint32_t)(shares.part[i] * TG_ALIAS_ONE / shares.sum);
		at[i].alias = (uint16_t)rich;
		shares.part[rich] -= shares.sum - shares.part[i];
		put(&shares, rich);
	}
}
