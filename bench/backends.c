/* SPDX-License-Identifier: MIT */
/* backends.c - policies that balance: fixed lists of backends, and live services. */
#include "bench/backends.h"

#include <stdio.h>
#include <sys/socket.h>

#include "bench/bench.h"
#include "bench/gate.h"
#include "bench/group.h"
#include "bench/large_policy.h"
#include "bench/prefix.h"
#include "bench/report.h"

#define MOST_BACKENDS 16 /* of a live service */

static void backend_text(uint32_t number, uint32_t backends, uint32_t i, char *text, size_t size)
{
	struct prefix addr = prefix_of_addr4(BACKEND_ADDR(number, backends, i));

	snprintf(text, size, "%u.%u.%u.%u:%u", addr.addr[0], addr.addr[1], addr.addr[2],
		 addr.addr[3], BACKEND_PORT);
}

void gate_with_backends(struct variant *variant, const char *endpoint, uint32_t backends,
			bool weighted, bool reveal)
{
	struct tg_rule rule = gate_rule(variant, TG_VERB_BALANCE);
	struct tg_policy *policy;
	uint32_t index;
	char text[32];

	rule.flags = reveal ? TG_RULE_REVEAL : 0;
	check(tg_policy_new("bench", &policy));
	index = gate_add_rule(policy, &rule, endpoint, NULL);
	for (uint32_t i = 0; i < backends; i++) {
		backend_text(0, backends, i, text, sizeof(text));
		check(tg_policy_add_backend(policy, index, text,
					    weighted && i == backends - 1 ? 3 : 1));
	}
	gate_attach(variant, AF_INET, gate_of_policy(policy));
}

static void put_service(struct tg_services *services, uint32_t number, const struct prefix *vip,
			uint32_t backends)
{
	struct tg_backend_spec specs[MOST_BACKENDS];
	char vip_text[32], text[MOST_BACKENDS][32];

	for (uint32_t i = 0; i < backends; i++) {
		backend_text(number, backends, i, text[i], sizeof(text[i]));
		specs[i] = (struct tg_backend_spec){
			.size = sizeof(*specs), .address = text[i], .weight = 1};
	}
	snprintf(vip_text, sizeof(vip_text), "%u.%u.%u.%u:%u/udp", vip->addr[0], vip->addr[1],
		 vip->addr[2], vip->addr[3], VIP_PORT);
	check(tg_services_put(services, vip_text, specs, backends, 0, NULL));
}

void gate_with_services(struct variant *variant, const struct prefix *vips, uint32_t count,
			uint32_t backends, struct cost *cost)
{
	struct tg_rule rule = gate_rule(variant, TG_VERB_BALANCE);
	struct tg_services_options options = {.size = sizeof(options), .capacity = count};
	struct tg_services_info info = {.size = sizeof(info)};
	struct tg_services *services;
	struct tg_policy *policy;
	double start;

	rule.flags = TG_RULE_REVEAL;
	check(tg_policy_new("bench", &policy));
	check(tg_policy_declare_services(policy, "services", &options));
	gate_with_table(variant, AF_INET, policy, &rule, "services", cost);
	check(tg_gate_find_services(variant->gate, "services", &services));
	start = now_ns();
	for (uint32_t i = 0; i < count; i++)
		put_service(services, i, &vips[i], backends);
	cost->load_ms = (now_ns() - start) / 1e6;
	check(tg_services_info(services, &info));
	cost->kernel_bytes = info.bytes;
}
