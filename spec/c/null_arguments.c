/* SPDX-License-Identifier: MIT */
/*
 * null_arguments.c - each public function with NULL in place of each pointer that it takes.
 *
 *   null_arguments CGROUP FOLDER
 *
 * The calls are made by spec/support/null_calls.lua, which reads the header: a new function is
 * called without anybody thinking of it.  A line for each call: function, parameter ("-": none is
 * NULL), result, and the text of the error if it failed.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tidegate.h"

#define SIZE 8192

/* Nobody frees what the calls make. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static const uint8_t address_bytes[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1};
static const char *const items[] = {"192.0.2.1"};
static const struct tg_rule some_rule = {.size = sizeof(some_rule),
					 .verb = TG_VERB_DENY,
					 .ops = TG_BIT(TG_OP_CONNECT),
					 .name = "some"};
static const struct tg_set_options some_set_options = {.size = sizeof(some_set_options)};
static const struct tg_services_options some_services_options = {
	.size = sizeof(some_services_options)};
static const struct tg_gate_options some_gate_options = {.size = sizeof(some_gate_options)};
static const struct tg_attach_options some_attach_options = {.size = sizeof(some_attach_options)};
static const struct tg_set_entry some_set_entry = {.size = sizeof(some_set_entry),
						   .item = "192.0.2.1"};
static const struct tg_backend_spec some_backend_spec = {
	.size = sizeof(some_backend_spec), .address = "127.0.0.2:8080", .weight = 1};
static const struct tg_event some_event = {.size = sizeof(some_event), .rule = 0};
static const struct tg_vip_info some_vip_info = {.size = sizeof(some_vip_info)};
static struct tg_query some_query = {.size = sizeof(some_query)};

static struct tg_image *image;
static struct tg_gate *gate;
static struct tg_set *set;
static struct tg_services *services;
static struct tg_lint *lint;
static const char *cgroup;
static const void *image_bytes;
static size_t image_size;
static char some_file[4096], image_file[4096], saved_file[4096];

static uint64_t *cursor(void)
{
	static uint64_t start;

	start = 0;
	return &start;
}

static struct tg_list *list_of(enum tg_field field, const char *item)
{
	struct tg_list *list;

	CHECK(!tg_list_new(field, 0, &list));
	CHECK(!item || !tg_list_add(list, item));
	return list;
}

static struct tg_list *new_list(void)
{
	return list_of(TG_FIELD_ENDPOINT, "192.0.2.0/24");
}

static struct tg_list *new_addresses(void)
{
	return list_of(TG_FIELD_ENDPOINT, "192.0.2.7");
}

static struct tg_list *new_ports(void)
{
	return list_of(TG_FIELD_PORT, "80");
}

/* A set "s", services "v", a balance rule with a backend, and a deny rule. */
static struct tg_policy *new_policy(void)
{
	static const char *const names[] = {"first", "second"};
	struct tg_policy *policy;

	CHECK(!tg_policy_new("p", &policy));
	CHECK(!tg_policy_declare_set(policy, "s", NULL));
	CHECK(!tg_policy_declare_services(policy, "v", NULL));
	CHECK(!tg_policy_services_put(policy, "v", "10.96.0.10:80/tcp", &some_backend_spec, 1));
	for (uint32_t i = 0; i < 2; i++) {
		struct tg_rule rule = some_rule;

		rule.name = names[i];
		rule.verb = i ? TG_VERB_DENY : TG_VERB_BALANCE;
		CHECK(!tg_policy_add_rule(policy, &rule, NULL));
	}
	CHECK(!tg_policy_add_backend(policy, 0, "127.0.0.1:8080", 1));
	return policy;
}

/* As new_policy(), with rules that name the tables. */
static void make_image(void)
{
	static const char *const patterns[] = {"198.51.100.1", "@s", "@v"};
	struct tg_policy *policy;
	struct tg_rule rule = some_rule;

	policy = new_policy();
	rule.name = "third";
	CHECK(!tg_policy_add_rule(policy, &rule, NULL));
	for (uint32_t i = 0; i < 3; i++) {
		struct tg_list *list = list_of(TG_FIELD_ENDPOINT, patterns[i]);

		CHECK(!tg_policy_add_match(policy, i, list));
		tg_list_free(list);
	}
	CHECK(!tg_policy_compile(policy, &image));
	tg_policy_free(policy);
}

static void make_files(const char *folder)
{
	FILE *file;

	snprintf(some_file, sizeof(some_file), "%s/items", folder);
	snprintf(image_file, sizeof(image_file), "%s/image", folder);
	snprintf(saved_file, sizeof(saved_file), "%s/saved", folder);
	file = fopen(some_file, "w");
	CHECK(file && fputs("192.0.2.1\n", file) >= 0 && !fclose(file));
	CHECK(!tg_image_save(image, image_file));
}

static void put_service(void)
{
	CHECK(!tg_services_put(services, "10.96.0.10:80/tcp", &some_backend_spec, 1, 0, NULL));
}

static void tell(const char *what, int result)
{
	printf("%s %d %s\n", what, result, result < 0 ? tg_error() : "");
}

static void make_calls(void)
{
#include "null_calls.h"
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	cgroup = argv[1];
	make_image();
	make_files(argv[2]);
	image_bytes = tg_image_bytes(image, &image_size);
	CHECK(!tg_query_init(&some_query));
	CHECK(!tg_query_endpoint(&some_query, "198.51.100.1:80"));
	CHECK(!tg_lint_new(image, &lint));
	CHECK(!tg_gate_new(NULL, &gate));
	CHECK(!tg_gate_publish(gate, image, NULL));
	CHECK(!tg_gate_find_set(gate, "s", &set));
	CHECK(!tg_gate_find_services(gate, "v", &services));
	make_calls();
	tg_gate_close(gate);
	return 0;
}
