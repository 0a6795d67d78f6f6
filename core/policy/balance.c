/* SPDX-License-Identifier: MIT */
/* balance.c - how a rule chooses a backend, from its text. */
#include "policy/balance.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "bpf/layout/backend_layout.h"

static const char *const keys[TG_BYS] = {
	[TG_BY_SOCKET] = "socket", [TG_BY_PID] = "pid",     [TG_BY_UID] = "uid",
	[TG_BY_CGROUP] = "cgroup", [TG_BY_NETNS] = "netns", [TG_BY_DESTINATION] = "destination",
};

static int parse_key(const char *key, uint32_t *number)
{
	for (uint32_t i = TG_BY_SOCKET; i < TG_BYS; i++) {
		if (!strcmp(key, keys[i])) {
			*number = i;
			return 0;
		}
	}
	return tg_fail(-EINVAL,
		       "key: \"%s\": write \"socket\", \"pid\", \"uid\", \"cgroup\", \"netns\" or "
		       "\"destination\"",
		       key);
}

static int check_sticky(const struct tg_rule *rule)
{
	if (rule->sticky_ms > TG_MAX_STICKY_MS)
		return tg_fail(-EINVAL, "sticky: %llu ms are over 30 days, the limit",
			       (unsigned long long)rule->sticky_ms);
	if (rule->sticky_ms && !rule->key)
		return tg_fail(-EINVAL,
			       "sticky: needs a key, which says whose calls stay together: "
			       "add key = \"pid\", \"uid\", \"cgroup\" or another");
	return 0;
}

int tg_balance_parse(const struct tg_rule *rule, struct tg_balance *balance)
{
	struct tg_balance parsed = {.sticky_ms = (uint32_t)rule->sticky_ms};
	bool hash = rule->by && !strcmp(rule->by, "hash");
	uint32_t key = TG_BY_SOCKET;
	int error = check_sticky(rule);

	if (error)
		return error;
	if (rule->by && !hash && strcmp(rule->by, "random") != 0)
		return tg_fail(-EINVAL, "by: \"%s\": write \"random\" or \"hash\"", rule->by);
	if (rule->key && !hash && !rule->sticky_ms)
		return tg_fail(-EINVAL,
			       "key: a random choice has none: add by = \"hash\" or sticky");
	if (rule->key)
		error = parse_key(rule->key, &key);
	if (error)
		return error;
	parsed.by = hash ? key : TG_BY_RANDOM;
	parsed.sticky_by = parsed.sticky_ms ? key : 0;
	*balance = parsed;
	return 0;
}
