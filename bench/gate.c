/* SPDX-License-Identifier: MIT */
/* gate.c - policies of Tidegate: made, compiled, published, attached, and what each step took. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define PUBLISHES     5
#define MOST_BACKENDS 16 /* of a live service */

static void check(int err)
{
	if (err)
		die("%s", tg_error());
}

/* The program that a gate has attached to a cgroup: the only one there. */
static int program_of(const struct variant *variant, enum bpf_attach_type hook)
{
	__u32 ids[4], count = COUNT_OF(ids);
	int err = bpf_prog_query(variant->cgroup_fd, hook, 0, NULL, ids, &count);

	if (err || count != 1)
		die("%s: %u programs of a gate where there should be one", variant->id, count);
	return bpf_prog_get_fd_by_id(ids[0]);
}

/* NULL: this kernel lacks something, which tg_error() has. */
static struct tg_gate *gate_of(const struct tg_image *image)
{
	struct tg_gate *gate;
	int err;

	check(tg_gate_open(NULL, &gate));
	err = tg_gate_publish(gate, image);
	if (err == -EOPNOTSUPP) {
		tg_gate_close(gate);
		return NULL;
	}
	check(err);
	return gate;
}

static enum bpf_attach_type hook_of(const struct variant *variant, int family)
{
	if (variant->op == TG_OP_SENDMSG)
		return family == AF_INET ? BPF_CGROUP_UDP4_SENDMSG : BPF_CGROUP_UDP6_SENDMSG;
	return family == AF_INET ? BPF_CGROUP_INET4_CONNECT : BPF_CGROUP_INET6_CONNECT;
}

static void run(struct variant *variant, int family, struct tg_gate *gate)
{
	if (!gate)
		die("%s", tg_error());
	variant->gate = gate;
	check(tg_gate_attach(variant->gate, variant->cgroup));
	variant->program = program_of(variant, hook_of(variant, family));
}

static struct tg_list *list_of(enum tg_field field, const char *item)
{
	struct tg_list *list;

	check(tg_list_new(field, &list));
	check(tg_list_add(list, item));
	return list;
}

static void match(struct tg_policy *policy, uint32_t index, struct tg_list *list)
{
	check(tg_policy_match(policy, index, list));
	tg_list_free(list);
}

static void add_rule(struct tg_policy *policy, const struct tg_rule *rule, const char *endpoint,
		     const char *proto)
{
	uint32_t index;

	check(tg_policy_add(policy, rule, &index));
	match(policy, index, list_of(TG_FIELD_ENDPOINT, endpoint));
	if (proto)
		match(policy, index, list_of(TG_FIELD_PROTO, proto));
}

/* Takes the policy. */
static struct tg_gate *gate_of_policy(struct tg_policy *policy)
{
	struct tg_image *image;
	struct tg_gate *gate;

	check(tg_policy_compile(policy, &image));
	tg_policy_free(policy);
	gate = gate_of(image);
	tg_image_free(image);
	return gate;
}

struct tg_gate *gate_of_rule(const struct tg_rule *rule, const char *endpoint, const char *proto)
{
	struct tg_policy *policy;

	check(tg_policy_new("bench", &policy));
	add_rule(policy, rule, endpoint, proto);
	return gate_of_policy(policy);
}

void gate_with_rule(struct variant *variant, const struct tg_rule *rule, const char *endpoint,
		    const char *proto)
{
	run(variant, AF_INET, gate_of_rule(rule, endpoint, proto));
}

/* --- Large ones ----------------------------------------------------------------- */

/* What the map of the image in force takes: the one value of the program's map of maps. */
static uint64_t image_map_bytes(const struct variant *variant)
{
	__u32 ids[16], zero = 0, id, size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {.nr_map_ids = COUNT_OF(ids), .map_ids = (uintptr_t)ids};
	uint64_t bytes = 0;

	if (bpf_obj_get_info_by_fd(variant->program, &info, &size))
		die("%s: cannot ask after its maps: %s", variant->id, strerror(errno));
	for (__u32 i = 0; i < info.nr_map_ids; i++) {
		struct bpf_map_info about = {0};
		int map = bpf_map_get_fd_by_id(ids[i]);
		int inner = -1;

		size = sizeof(about);
		if (!bpf_obj_get_info_by_fd(map, &about, &size) &&
		    about.type == BPF_MAP_TYPE_ARRAY_OF_MAPS &&
		    !bpf_map_lookup_elem(map, &zero, &id))
			inner = bpf_map_get_fd_by_id(id);
		if (inner >= 0) {
			bytes = map_bytes(inner);
			close(inner);
		}
		close(map);
	}
	return bytes;
}

/* Compile, run, and publish a few times more; the median of those is what a publish takes. */
static void run_large(struct variant *variant, int family, struct tg_policy *policy,
		      struct cost *cost)
{
	struct samples publish = {0};
	double start = now_ns();
	struct tg_image *image;
	size_t bytes;

	cost->rival_ms = 0;
	cost->rival_bytes = 0;
	check(tg_policy_compile(policy, &image));
	cost->compile_ms = (now_ns() - start) / 1e6;
	tg_policy_free(policy);
	tg_image_bytes(image, &bytes);
	cost->image_bytes = bytes;
	run(variant, family, gate_of(image));
	for (uint32_t i = 0; i < PUBLISHES; i++) {
		start = now_ns();
		check(tg_gate_publish(variant->gate, image));
		samples_add(&publish, (now_ns() - start) / 1e6);
	}
	cost->kernel_bytes = image_map_bytes(variant);
	cost->publish_ms = samples_quantile(&publish, NULL, 0.5);
	free(publish.values);
	tg_image_free(image);
}

static struct tg_rule rule_for(const struct variant *variant, enum tg_verb verb)
{
	return (struct tg_rule){
		.size = sizeof(struct tg_rule), .verb = verb, .ops = 1u << variant->op};
}

static void add_random_rule(struct tg_policy *policy, const struct tg_rule *rule,
			    const struct random_rule *random)
{
	char text[96];
	size_t used;

	prefix_text(AF_INET, &random->prefix, text, sizeof(text));
	used = strlen(text);
	if (random->port_high < 65535)
		snprintf(text + used, sizeof(text) - used, ":%u-%u", random->port_low,
			 random->port_high);
	add_rule(policy, rule, text, random->udp ? "udp" : NULL);
}

/* They all allow, and the default does: a call that is denied would end early. */
void gate_with_rules(struct variant *variant, const struct random_rule *rules, uint32_t count,
		     struct cost *cost)
{
	struct tg_rule rule = rule_for(variant, TG_VERB_ALLOW);
	double start = now_ns();
	struct tg_policy *policy;

	check(tg_policy_new("bench", &policy));
	for (uint32_t i = 0; i < count; i++)
		add_random_rule(policy, &rule, &rules[i]);
	cost->load_ms = (now_ns() - start) / 1e6;
	run_large(variant, AF_INET, policy, cost);
}

/* A file without a name, so that nothing is left of it however this ends. */
static int write_prefixes(int family, const struct prefix *prefixes, uint32_t count)
{
	FILE *file = tmpfile();
	char text[64];

	if (!file)
		die("cannot make a file: %s", strerror(errno));
	for (uint32_t i = 0; i < count; i++) {
		prefix_text(family, &prefixes[i], text, sizeof(text));
		fprintf(file, "%s\n", text);
	}
	if (fflush(file))
		die("cannot write a file: %s", strerror(errno));
	return fileno(file);
}

/* One rule with a list from a file, as a user would have it. */
void gate_with_prefixes(struct variant *variant, int family, const struct prefix *prefixes,
			uint32_t count, struct cost *cost)
{
	struct tg_rule rule = rule_for(variant, TG_VERB_ALLOW);
	int file = write_prefixes(family, prefixes, count);
	struct tg_policy *policy;
	struct tg_list *list;
	uint32_t index;
	char path[64];
	double start;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	start = now_ns();
	check(tg_list_new(TG_FIELD_ENDPOINT, &list));
	check(tg_list_load(list, path));
	check(tg_policy_new("bench", &policy));
	check(tg_policy_add(policy, &rule, &index));
	match(policy, index, list);
	cost->load_ms = (now_ns() - start) / 1e6;
	run_large(variant, family, policy, cost);
}

/* --- Live tables ------------------------------------------------------------------ */

/* One rule about a live table that the policy declares: it is empty when it comes into force. */
static void run_table(struct variant *variant, int family, struct tg_policy *policy,
		      const struct tg_rule *rule, const char *table, struct cost *cost)
{
	struct tg_list *list;
	uint32_t index;

	check(tg_list_new(TG_FIELD_ENDPOINT, &list));
	check(tg_list_add_set(list, table, false));
	check(tg_policy_add(policy, rule, &index));
	match(policy, index, list);
	run_large(variant, family, policy, cost);
}

/* Loaded as a feed would be. */
void gate_with_set(struct variant *variant, int family, const struct prefix *prefixes,
		   uint32_t count, struct cost *cost)
{
	struct tg_rule rule = rule_for(variant, TG_VERB_ALLOW);
	struct tg_set_info info = {.size = sizeof(info)};
	int file = write_prefixes(family, prefixes, count);
	struct tg_policy *policy;
	struct tg_set *set;
	char path[64];
	double start;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	check(tg_policy_new("bench", &policy));
	check(tg_policy_set(policy, "elements", count, 0));
	run_table(variant, family, policy, &rule, "elements", cost);
	check(tg_gate_set(variant->gate, "elements", &set));
	start = now_ns();
	check(tg_set_load(set, path));
	cost->load_ms = (now_ns() - start) / 1e6;
	check(tg_set_info(set, &info));
	cost->kernel_bytes = info.bytes;
}

static void backend_text(uint32_t number, uint32_t backends, uint32_t i, char *text, size_t size)
{
	struct prefix addr = prefix_of_addr4(BACKEND_ADDR(number, backends, i));

	snprintf(text, size, "%u.%u.%u.%u:%u", addr.addr[0], addr.addr[1], addr.addr[2],
		 addr.addr[3], BACKEND_PORT);
}

static void put_service(struct tg_services *services, uint32_t number, const struct prefix *vip,
			uint32_t backends)
{
	struct tg_backend_spec specs[MOST_BACKENDS];
	char vip_text[32], text[MOST_BACKENDS][32];

	for (uint32_t i = 0; i < backends; i++) {
		backend_text(number, backends, i, text[i], sizeof(text[i]));
		specs[i] = (struct tg_backend_spec){text[i], 1, TG_BACKEND_UP};
	}
	snprintf(vip_text, sizeof(vip_text), "%u.%u.%u.%u:%u/udp", vip->addr[0], vip->addr[1],
		 vip->addr[2], vip->addr[3], VIP_PORT);
	check(tg_services_put(services, vip_text, specs, backends, NULL));
}

/* Put one by one. */
void gate_with_services(struct variant *variant, const struct prefix *vips, uint32_t count,
			uint32_t backends, struct cost *cost)
{
	struct tg_rule rule = rule_for(variant, TG_VERB_BALANCE);
	struct tg_services_info info = {.size = sizeof(info)};
	struct tg_services *services;
	struct tg_policy *policy;
	double start;

	rule.reveal = true;
	check(tg_policy_new("bench", &policy));
	check(tg_policy_services(policy, "services", count));
	run_table(variant, AF_INET, policy, &rule, "services", cost);
	check(tg_gate_services(variant->gate, "services", &services));
	start = now_ns();
	for (uint32_t i = 0; i < count; i++)
		put_service(services, i, &vips[i], backends);
	cost->load_ms = (now_ns() - start) / 1e6;
	check(tg_services_info(services, &info));
	cost->kernel_bytes = info.bytes;
}

/* --- Fixed backends ---------------------------------------------------------------- */

void gate_with_backends(struct variant *variant, const char *endpoint, uint32_t backends,
			bool weighted, bool reveal)
{
	struct tg_rule rule = rule_for(variant, TG_VERB_BALANCE);
	struct tg_policy *policy;
	uint32_t index;
	char text[32];

	rule.reveal = reveal;
	check(tg_policy_new("bench", &policy));
	check(tg_policy_add(policy, &rule, &index));
	match(policy, index, list_of(TG_FIELD_ENDPOINT, endpoint));
	for (uint32_t i = 0; i < backends; i++) {
		backend_text(0, backends, i, text, sizeof(text));
		check(tg_policy_backend(policy, index, text,
					weighted && i == backends - 1 ? 3 : 1));
	}
	run(variant, AF_INET, gate_of_policy(policy));
}
