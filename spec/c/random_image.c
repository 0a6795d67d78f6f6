/* SPDX-License-Identifier: MIT */
/* random_image.c - random policies, and their images. */
#include "random_image.h"

#include <stdio.h>

#include "bpf/layout/backend_layout.h"
#include "draw.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void endpoint_text(char *text, size_t size)
{
	unsigned low = below(65535);

	switch (below(8)) {
	case 6:
		snprintf(text, size, "unix:/run/%u*", low);
		break;
	case 7:
		snprintf(text, size, "unix:@name%u", low);
		break;
	case 0:
		snprintf(text, size, "10.%u.%u.0/24:%u", below(4), below(4), low);
		break;
	case 1:
		snprintf(text, size, "127.0.0.%u", below(256));
		break;
	case 2:
		snprintf(text, size, "[2001:db8::%x]:%u-65535", below(9), low);
		break;
	case 3:
		snprintf(text, size, "2001:db8:%x::/%u", below(9), 48 + below(81));
		break;
	case 4:
		snprintf(text, size, "*:%u", low);
		break;
	default:
		snprintf(text, size, "!192.168.%u.%u", below(4), below(256));
	}
}

static void field_text(enum tg_field field, char *text, size_t size)
{
	switch (field) {
	case TG_FIELD_ENDPOINT:
	case TG_FIELD_SOURCE:
		endpoint_text(text, size);
		break;
	case TG_FIELD_PROTO:
		snprintf(text, size, below(2) ? "tcp" : "udp");
		break;
	case TG_FIELD_FAMILY:
		snprintf(text, size, below(2) ? "inet" : "inet6");
		break;
	case TG_FIELD_COMM:
		snprintf(text, size, below(2) ? "curl%u" : "nginx-wrk%u*", below(99));
		break;
	case TG_FIELD_TYPE:
		snprintf(text, size, below(2) ? "stream" : "dgram");
		break;
	case TG_FIELD_EXE:
		snprintf(text, size, below(2) ? "/bin/sh" : "!/bin/sh");
		break;
	case TG_FIELD_NETNS:
		snprintf(text, size, "%u", 1 + below(99));
		break;
	case TG_FIELD_CGROUP:
		snprintf(text, size, below(2) ? "*" : "!*");
		break;
	default:
		snprintf(text, size, "%u-%u", below(500), 500 + below(500));
	}
}

static const char *const set_names[] = {"banned", "known", "many"};
static uint32_t sets; /* how many of them the present policy declares */

static void match_random(struct tg_policy *policy, uint32_t rule, enum tg_field field)
{
	struct tg_list *list;
	uint32_t items = 1 + below(4);
	char text[64];

	MUST(!tg_list_new(field, 0, &list));
	for (uint32_t i = 0; i < items; i++) {
		field_text(field, text, sizeof(text));
		MUST(!tg_list_add(list, text));
	}
	if ((field == TG_FIELD_ENDPOINT || field == TG_FIELD_SOURCE) && sets && !below(3)) {
		snprintf(text, sizeof(text), "%s@%s%s", below(2) ? "!" : "", set_names[below(sets)],
			 below(3) ? "" : ":80-90");
		MUST(!tg_list_add(list, text));
	}
	MUST(!tg_policy_add_match(policy, rule, list));
	tg_list_free(list);
}

static void match_endpoint(struct tg_policy *policy, uint32_t rule, const char *text)
{
	struct tg_list *list;

	MUST(!tg_list_new(TG_FIELD_ENDPOINT, 0, &list));
	MUST(!tg_list_add(list, text));
	MUST(!tg_policy_add_match(policy, rule, list));
	tg_list_free(list);
}

/* Declare some live sets, which the rules that follow may name. */
static void declare_sets(struct tg_policy *policy)
{
	char text[64];

	sets = below(2) * below(COUNT_OF(set_names) + 1);
	for (uint32_t i = 0; i < sets; i++) {
		struct tg_set_options options = {
			.size = sizeof(options),
			.capacity = below(2) * 64,
			.ttl_ms = below(2) * 60000,
		};

		MUST(!tg_policy_declare_set(policy, set_names[i], &options));
		for (uint32_t items = below(20); items > 0; items--) {
			struct tg_set_entry entry = {
				.size = sizeof(entry),
				.item = text,
				.ttl_ms = below(2) ? below(2) * 1000 : TG_TTL_FOREVER,
			};

			snprintf(text, sizeof(text), below(2) ? "10.%u.%u.0/24" : "2001:db8:%x::%x",
				 below(4), below(256));
			MUST(!tg_policy_set_add(policy, set_names[i], &entry, 1));
		}
	}
}

/* A rule that rewrites unix sockets must match nothing else. */
static void add_path_rewrite(struct tg_policy *policy)
{
	struct tg_rule rule = {
		.size = sizeof(rule),
		.verb = TG_VERB_REWRITE,
		.ops = TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_SENDMSG),
		.to = below(2) ? "unix:/run/there" : "unix:@there",
	};
	uint32_t index;
	char text[64];

	snprintf(text, sizeof(text), "unix:/run/%u*", below(100));
	MUST(!tg_policy_add_rule(policy, &rule, &index));
	match_endpoint(policy, index, text);
}

static void add_balance(struct tg_policy *policy)
{
	static const char *const keys[] = {NULL, "uid", "destination", "socket"};
	struct tg_rule rule = {
		.size = sizeof(rule),
		.verb = TG_VERB_BALANCE,
		.ops = TG_BIT(TG_OP_CONNECT) | below(2) << TG_OP_SENDMSG,
		.key = keys[below(4)],
	};
	uint32_t index, backends = below(4) ? 1 + below(20) : 1 + below(TG_MAX_BACKENDS);
	char text[64];

	rule.by = rule.key && below(2) ? "hash" : NULL;
	rule.sticky_ms = rule.key && (!rule.by || below(2)) ? 1 + below(100000) : 0;
	MUST(!tg_policy_add_rule(policy, &rule, &index));
	for (uint32_t i = 0; i < backends; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u:%u", i / 200, i % 200 + 1, 1 + below(9));
		MUST(!tg_policy_add_backend(policy, index, text, 1 + below(2) * below(9)));
	}
	snprintf(text, sizeof(text), "10.%u.0.0/16", below(9));
	match_endpoint(policy, index, text);
}

/* Services, and a rule that balances over them. */
static void add_services(struct tg_policy *policy)
{
	struct tg_rule rule = {
		.size = sizeof(rule),
		.verb = TG_VERB_BALANCE,
		.ops = TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_SENDMSG),
	};
	struct tg_list *list;
	uint32_t index;

	MUST(!tg_policy_declare_services(policy, "svc", NULL));
	for (uint32_t i = below(20); i > 0; i--) {
		struct tg_backend_spec backend = {
			.size = sizeof(backend),
			.weight = 1 + below(9),
			.state = below(3),
			.address = "10.0.0.1:80",
		};
		char vip[64];

		snprintf(vip, sizeof(vip), "10.%u.0.%u:%u/%s", below(9), i, 1 + below(99),
			 below(2) ? "tcp" : "udp");
		MUST(!tg_policy_services_put(policy, "svc", vip, &backend, below(2)));
	}
	MUST(!tg_policy_add_rule(policy, &rule, &index));
	MUST(!tg_list_new(TG_FIELD_ENDPOINT, 0, &list));
	MUST(!tg_list_add(list, "@svc"));
	MUST(!tg_policy_add_match(policy, index, list));
	tg_list_free(list);
}

struct tg_image *random_image(void)
{
	static const char *const logs[] = {NULL, "true", "10/s", "1/100"};
	uint32_t rules = below(3) ? below(12) : 50 + below(150);
	struct tg_policy *policy;
	struct tg_image *image;
	uint32_t index;

	MUST(!tg_policy_new(below(2) ? "damaged" : NULL, &policy));
	if (below(2))
		MUST(!tg_policy_default(policy, TG_BIT(TG_OP_CONNECT), TG_VERB_DENY));
	if (below(2))
		MUST(!tg_policy_on_error(policy, TG_OPS_EGRESS, TG_VERB_DENY));
	if (!below(8))
		MUST(!tg_policy_flags(policy, TG_POLICY_SHADOW));
	declare_sets(policy);
	for (uint32_t i = 0; i < rules; i++) {
		struct tg_rule rule = {
			.size = sizeof(rule),
			.verb = below(2) ? TG_VERB_ALLOW : TG_VERB_DENY,
			.ops = below(2) ? TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_SENDMSG)
					: TG_BIT(TG_OP_CONNECT),
			.where = "corrupt.c:1",
			.message = below(4) ? NULL : "not from here",
			.log = logs[below(4)],
			.over = below(4) ? NULL : "100/s",
			.flags = below(6) ? 0 : TG_RULE_SHADOW,
		};

		MUST(!tg_policy_add_rule(policy, &rule, &index));
		for (int field = 0; field < TG_FIELD_COUNT; field++)
			if (below(field ? 6 : 2) == 0)
				match_random(policy, index, field);
	}
	for (uint32_t i = below(2) * below(5); i > 0; i--)
		add_path_rewrite(policy);
	for (uint32_t i = below(2) * below(5); i > 0; i--)
		add_balance(policy);
	if (!below(3))
		add_services(policy);
	MUST(!tg_policy_compile(policy, &image));
	tg_policy_free(policy);
	return image;
}
