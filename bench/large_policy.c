/* SPDX-License-Identifier: MIT */
/* large_policy.c - large policies: attach them to a variant, and measure what each step costs. */
#include "bench/large_policy.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/gate.h"
#include "bench/group.h"
#include "bench/prefix.h"
#include "bench/random.h"
#include "bench/report.h"
#include "bench/rival.h"

#define PUBLISHES 5

/* The size of the map that contains the last images. */
static uint64_t images_map_bytes(const struct variant *variant)
{
	__u32 ids[16], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {.nr_map_ids = COUNT_OF(ids), .map_ids = (uintptr_t)ids};
	uint64_t bytes = 0;

	if (bpf_obj_get_info_by_fd(variant->program, &info, &size))
		die("%s: cannot find its maps: %s", variant->id, strerror(errno));
	for (__u32 i = 0; i < info.nr_map_ids; i++) {
		struct bpf_map_info about = {0};
		int map = bpf_map_get_fd_by_id(ids[i]);

		size = sizeof(about);
		if (!bpf_obj_get_info_by_fd(map, &about, &size) && !strcmp(about.name, "tg_images"))
			bytes = map_bytes(map);
		close(map);
	}
	return bytes;
}

/* Compile a policy, attach it, then publish it PUBLISHES times: publish_ms is their median. */
static void attach_and_measure(struct variant *variant, int family, struct tg_policy *policy,
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
	gate_attach(variant, family, gate_of_image(image));
	for (uint32_t i = 0; i < PUBLISHES; i++) {
		start = now_ns();
		check(tg_gate_publish(variant->gate, image, NULL));
		samples_add(&publish, (now_ns() - start) / 1e6);
	}
	cost->kernel_bytes = images_map_bytes(variant);
	cost->publish_ms = samples_quantile(&publish, NULL, 0.5);
	free(publish.values);
	tg_image_free(image);
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
	gate_add_rule(policy, rule, text, random->udp ? "udp" : NULL);
}

void gate_with_rules(struct variant *variant, const struct random_rule *rules, uint32_t count,
		     struct cost *cost)
{
	struct tg_rule rule = gate_rule(variant, TG_VERB_ALLOW);
	double start = now_ns();
	struct tg_policy *policy;

	check(tg_policy_new("bench", &policy));
	for (uint32_t i = 0; i < count; i++)
		add_random_rule(policy, &rule, &rules[i]);
	cost->load_ms = (now_ns() - start) / 1e6;
	attach_and_measure(variant, AF_INET, policy, cost);
}

/* Write prefixes to a file, one per line, and return its path. The file is never closed. */
static void write_prefixes(int family, const struct prefix *prefixes, uint32_t count, char *path,
			   size_t size)
{
	FILE *file = open_scratch();
	char text[64];

	for (uint32_t i = 0; i < count; i++) {
		prefix_text(family, &prefixes[i], text, sizeof(text));
		fprintf(file, "%s\n", text);
	}
	scratch_path(file, path, size);
}

void gate_with_prefixes(struct variant *variant, int family, const struct prefix *prefixes,
			uint32_t count, struct cost *cost)
{
	struct tg_rule rule = gate_rule(variant, TG_VERB_ALLOW);
	struct tg_policy *policy;
	struct tg_list *list;
	uint32_t index;
	char path[64];
	double start;

	write_prefixes(family, prefixes, count, path, sizeof(path));
	start = now_ns();
	check(tg_list_new(TG_FIELD_ENDPOINT, 0, &list));
	check(tg_list_load(list, path));
	check(tg_policy_new("bench", &policy));
	check(tg_policy_add_rule(policy, &rule, &index));
	gate_match(policy, index, list);
	cost->load_ms = (now_ns() - start) / 1e6;
	attach_and_measure(variant, family, policy, cost);
}

void gate_with_table(struct variant *variant, int family, struct tg_policy *policy,
		     const struct tg_rule *rule, const char *table, struct cost *cost)
{
	struct tg_list *list;
	uint32_t index;
	char item[64];

	snprintf(item, sizeof(item), "@%s", table);
	check(tg_list_new(TG_FIELD_ENDPOINT, 0, &list));
	check(tg_list_add(list, item));
	check(tg_policy_add_rule(policy, rule, &index));
	gate_match(policy, index, list);
	attach_and_measure(variant, family, policy, cost);
}

void gate_with_set(struct variant *variant, int family, const struct prefix *prefixes,
		   uint32_t count, struct cost *cost)
{
	struct tg_rule rule = gate_rule(variant, TG_VERB_ALLOW);
	struct tg_set_options options = {.size = sizeof(options), .capacity = count};
	struct tg_set_info info = {.size = sizeof(info)};
	struct tg_policy *policy;
	struct tg_set *set;
	char path[64];
	double start;

	write_prefixes(family, prefixes, count, path, sizeof(path));
	check(tg_policy_new("bench", &policy));
	check(tg_policy_declare_set(policy, "elements", &options));
	gate_with_table(variant, family, policy, &rule, "elements", cost);
	check(tg_gate_find_set(variant->gate, "elements", &set));
	start = now_ns();
	check(tg_set_load(set, path, 0, 0));
	cost->load_ms = (now_ns() - start) / 1e6;
	check(tg_set_info(set, &info));
	cost->kernel_bytes = info.bytes;
}
