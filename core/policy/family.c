/* SPDX-License-Identifier: MIT */
/* family.c - the families of a rule's addresses, and the choice between those of a name. */
#include "policy/family.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "parse/address.h"
#include "policy/policy.h"
#include "policy/set_use.h"

void tg_family_choice_set(struct tg_family_choice *choice,
			  const struct tg_target_addresses *addresses)
{
	for (uint32_t i = 0; i < addresses->count; i++) {
		bool v6 = !tg_bytes_are_mapped(addresses->addr_be[i]);

		if (!choice->count[v6]++)
			memcpy(choice->addr_be[v6], addresses->addr_be[i],
			       sizeof(choice->addr_be[v6]));
		if (!i)
			choice->prefers6 = v6;
	}
}

/* A live set may hold any address at some time. */
static void use_reach(const struct tg_set_use *use, struct tg_reach *reach)
{
	for (size_t i = 0; i < use->products.count; i++) {
		reach->address4 |= use->products.at[i].addr4.count > 0;
		reach->address6 |= use->products.at[i].addr6.count > 0;
	}
}

struct tg_reach tg_rule_reach(const struct tg_policy_rule *rule)
{
	const struct tg_list_sets *endpoint = &rule->match[TG_FIELD_ENDPOINT];
	const struct tg_intervals *family = &rule->match[TG_FIELD_FAMILY].set;
	bool any_endpoint = !(rule->given & TG_BIT(TG_FIELD_ENDPOINT));
	bool any_family = !(rule->given & TG_BIT(TG_FIELD_FAMILY));
	struct tg_reach reach = {any_endpoint, any_endpoint, false, false};

	for (size_t i = 0; i < endpoint->product_count; i++) {
		reach.address4 |= endpoint->products[i].addr4.count > 0;
		reach.address6 |= endpoint->products[i].addr6.count > 0;
	}
	for (size_t i = 0; endpoint->uses && i < endpoint->uses->count; i++)
		use_reach(&endpoint->uses->at[i], &reach);
	reach.socket6 =
		any_family || tg_intervals_contains(family, (struct tg_key128){0, AF_INET6});
	reach.socket4 = any_family || tg_intervals_contains(family, (struct tg_key128){0, AF_INET});
	/* An IPv4 socket asks for IPv4 addresses only. */
	reach.socket4 &= reach.address4;
	reach.address6 &= reach.socket6;
	reach.address4 &= reach.socket4 || reach.socket6;
	return reach;
}

bool tg_rule_to_fits(const struct tg_policy_rule *rule, const struct tg_reach *reach, bool to6)
{
	/* udpv6_sendmsg() returns ENOTSUPP, 524, an errno that no program knows. */
	return to6 ? !reach->socket4 : !(rule->ops & TG_BIT(TG_OP_SENDMSG) && reach->address6);
}

bool tg_rule_source_fits(const struct tg_policy_rule *rule, const struct tg_reach *reach,
			 bool source6)
{
	bool to4 = reach->address4, to6 = reach->address6;

	if (rule->effect.effects & TG_EFFECT_TO_ADDR) {
		to6 = !tg_bytes_are_mapped(rule->effect.to_addr_be);
		to4 = !to6;
	}
	return (source6 ? to6 : to4) || (!to4 && !to6);
}

/* A call keeps its family, if all calls of the rule have the same one. */
static bool preferred(const struct tg_reach *reach, bool first6)
{
	return reach->address4 == reach->address6 ? first6 : reach->address6;
}

/* Let *addr_be be the chosen address; whether the name has more of its family. */
static bool choose(const struct tg_family_choice *choice, const struct tg_reach *reach,
		   const bool fits[2], uint32_t addr_be[4])
{
	bool v6 = preferred(reach, choice->prefers6);

	if (!choice->count[v6])
		v6 = !v6;
	if (!fits[v6] && fits[!v6] && choice->count[!v6])
		v6 = !v6;
	if (!choice->count[v6])
		return false;
	memcpy(addr_be, choice->addr_be[v6], sizeof(choice->addr_be[v6]));
	return choice->count[v6] > 1;
}

/* The backends of the family that fits; if both do, of the one that is preferred. */
static int choose_backends(struct tg_policy_rule *rule, const struct tg_reach *reach,
			   const bool fits[2], const char *text)
{
	const struct tg_backend_choices *choices = &rule->choices;
	bool v6 = preferred(reach, !tg_bytes_are_mapped(choices->all.at[0].addr_be));
	struct tg_backends chosen = {0};
	int error;

	if (choices->items_of[v6] < choices->items ||
	    (!fits[v6] && fits[!v6] && choices->items_of[!v6] == choices->items))
		v6 = !v6;
	error = tg_backend_choices_take(choices, v6, text, &chosen);
	if (error) {
		tg_backends_free(&chosen);
		return error;
	}
	tg_backends_free(&rule->backends);
	rule->backends = chosen;
	/* All are of one family, so the checks need the first one only. */
	rule->effect.effects |= TG_EFFECT_TO_ADDR;
	memcpy(rule->effect.to_addr_be, chosen.at[0].addr_be, sizeof(rule->effect.to_addr_be));
	return 0;
}

int tg_rule_choose_families(struct tg_policy_rule *rule, const char *text)
{
	struct tg_reach reach = tg_rule_reach(rule);
	bool to[2], source[2];
	int error = 0;

	rule->entry_flags = 0;
	for (int v6 = 0; v6 < 2; v6++)
		to[v6] = tg_rule_to_fits(rule, &reach, v6);
	if (choose(&rule->to, &reach, to, rule->effect.to_addr_be))
		rule->entry_flags |= TG_ENTRY_TO_IS_FIRST;
	if (rule->choices.items)
		error = choose_backends(rule, &reach, to, text);
	for (int v6 = 0; v6 < 2; v6++)
		source[v6] = tg_rule_source_fits(rule, &reach, v6);
	if (choose(&rule->bind_source, &reach, source, rule->effect.bind_source_addr_be))
		rule->entry_flags |= TG_ENTRY_SOURCE_IS_FIRST;
	return error;
}
