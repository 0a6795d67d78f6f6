/* SPDX-License-Identifier: MIT */
/*
 * family.h - the families of a rule's addresses: of the calls that it matches, and of
 * the names in its `to` and `bind_source`, which may have addresses of both.
 */
#ifndef TG_POLICY_FAMILY_H
#define TG_POLICY_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

#include "parse/target.h"

struct tg_policy_rule;

/* The calls that a rule can match, by the address asked for and by the socket. */
struct tg_reach {
	bool address4, address6;
	bool socket4, socket6;
};

/* The first address of a target in each family, and how many there are; IPv6 second. */
struct tg_family_choice {
	uint32_t addr_be[2][4];
	uint32_t count[2]; /* both 0: there is nothing to choose */
	bool prefers6;     /* the first address is IPv6 */
};

void tg_family_choice_set(struct tg_family_choice *choice,
			  const struct tg_target_addresses *addresses);

struct tg_reach tg_rule_reach(const struct tg_policy_rule *rule);

/* Whether all calls of a rule can go to a target of this family, or come from such an address. */
bool tg_rule_to_fits(const struct tg_policy_rule *rule, const struct tg_reach *reach, bool to6);
bool tg_rule_source_fits(const struct tg_policy_rule *rule, const struct tg_reach *reach,
			 bool source6);

/*
 * Choose again, after the rule has changed: the family that fits, if the preferred one does not.
 * `text` is the backend that was added last, for errors; or NULL.
 */
int tg_rule_choose_families(struct tg_policy_rule *rule, const char *text);

#endif
