/* SPDX-License-Identifier: MIT */
/*
 * policy.h - a policy in memory, between its text and its image.
 *
 * policy.c and policy_declare.c fill it in; compile/ reads it.  All sets are
 * normal (interval.h), all values are checked, all names are resolved.
 */
#ifndef TG_POLICY_POLICY_H
#define TG_POLICY_POLICY_H

#include "bpf/layout/image_layout.h"
#include "parse/backend.h"
#include "parse/unix_path.h"
#include "policy/balance.h"
#include "policy/family.h"
#include "policy/list_sets.h"
#include "policy/policy_declare.h"
#include "policy/rate.h"
#include "tidegate.h"

struct tg_policy_rule {
	char *name;
	char *where;
	char *text;
	char *message;
	uint32_t ops;
	struct tg_term effect;       /* its slot and rule are still 0 */
	struct tg_path to_path;      /* rewrite: the unix socket to go to */
	uint32_t to_path_bytes;      /* 0: it does not go to a unix socket */
	struct tg_options options;   /* if effect has TG_EFFECT_SOCKOPT */
	struct tg_backends backends; /* of balance; chosen from `choices` */
	struct tg_backend_choices choices;
	struct tg_family_choice to, bind_source; /* the addresses of effect are chosen from them */
	uint32_t entry_flags;                    /* TG_ENTRY_* */
	struct tg_balance balance;               /* of balance */
	struct tg_rate rate;                     /* if effect has TG_EFFECT_RATE */
	uint32_t given; /* 1 << enum tg_field: the fields that it restricts */
	struct tg_list_sets match[TG_FIELD_COUNT];
};

struct tg_policy {
	char *name;
	struct tg_policy_table *tables;
	uint32_t table_count, table_capacity;
	struct tg_policy_rule *rules;
	uint32_t rule_count;
	uint32_t rule_capacity;
	uint32_t *
		by_name; /* 2 * rule_capacity places: a rule's number from 1, by hash of its name */
	uint8_t defaults[TG_OP_COUNT]; /* enum tg_verb */
	uint8_t on_error[TG_OP_COUNT]; /* enum tg_verb; TG_VERB_NONE: as the default */
	uint32_t flags;                /* TG_POLICY_* */
};

/* Fail with the text `where: verb "name": what`, the form of all errors of rules. */
int tg_rule_error(const struct tg_policy_rule *rule, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
