/* SPDX-License-Identifier: MIT */
/* guard.c - what each term asks of the fields that are one interval. */
#include "compile/compile.h"

#include "base/error.h"

/* The fields that a guard has room for. */
#define GUARD_KEYS                                                                                 \
	(1u << TG_KEY_PORT | 1u << TG_KEY_PROTO | 1u << TG_KEY_FAMILY | 1u << TG_KEY_UID |         \
	 1u << TG_KEY_GID | 1u << TG_KEY_PID)

static bool is_single(const struct tg_interval *interval)
{
	return !tg_key128_cmp(interval->first, interval->last);
}

/* Whether a guard can hold the whole set. */
static bool set_is_plain(const struct tg_intervals *set, enum tg_key key)
{
	if (!set || set->count == 1)
		return true;
	return key == TG_KEY_PROTO && set->count == 2 && is_single(&set->at[1]);
}

/* The fields of which every term has a set that its guard can hold whole. */
static uint32_t plain_keys(const struct tg_terms *terms)
{
	uint32_t plain = GUARD_KEYS;

	for (uint32_t i = 0; i < terms->count; i++)
		for (int key = 0; key < TG_KEYS; key++)
			if (!set_is_plain(terms->conditions[i].set[key], key))
				plain &= ~(1u << key);
	return plain;
}

static void guard_key(const struct tg_condition *condition, uint32_t plain, enum tg_key key,
		      __u32 *first, __u32 *last)
{
	const struct tg_intervals *set = condition->set[key];

	*first = 0;
	*last = UINT32_MAX;
	if (!set || !(plain >> key & 1))
		return;
	*first = (uint32_t)set->at[0].first.lo;
	*last = (uint32_t)set->at[0].last.lo;
}

static void guard_term(const struct tg_condition *condition, uint32_t plain, struct tg_guard *guard)
{
	const struct tg_intervals *proto = condition->set[TG_KEY_PROTO];

	guard_key(condition, plain, TG_KEY_PORT, &guard->port_first, &guard->port_last);
	guard_key(condition, plain, TG_KEY_PROTO, &guard->proto_first, &guard->proto_last);
	guard_key(condition, plain, TG_KEY_FAMILY, &guard->family_first, &guard->family_last);
	guard_key(condition, plain, TG_KEY_UID, &guard->uid_first, &guard->uid_last);
	guard_key(condition, plain, TG_KEY_GID, &guard->gid_first, &guard->gid_last);
	guard_key(condition, plain, TG_KEY_PID, &guard->pid_first, &guard->pid_last);
	guard->proto_also = guard->proto_first;
	if (proto && proto->count == 2 && plain >> TG_KEY_PROTO & 1)
		guard->proto_also = (uint32_t)proto->at[1].first.lo;
}

int tg_guards_write(const struct tg_terms *terms, struct tg_rows *rows, struct tg_section *section)
{
	uint32_t plain = plain_keys(terms);
	int error;

	if (terms->count <= TG_WORD_TERMS)
		return 0;
	error = tg_rows_add(rows, terms->count, &section->guard_row);
	if (error)
		return error;
	section->plain = plain & section->keys;
	for (uint32_t i = 0; i < terms->count; i++)
		guard_term(&terms->conditions[i], plain,
			   (struct tg_guard *)rows->at[section->guard_row + i]);
	return 0;
}
