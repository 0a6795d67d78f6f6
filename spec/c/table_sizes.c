/* SPDX-License-Identifier: MIT */
/*
 * table_sizes.c - callers that were built with another size of the structs of sets and services.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "check.h"
#include "guarded.h"

static struct tg_policy *policy;
static struct tg_image *image;

/* --- What the library writes --------------------------------------------------------- */

static int set_info(void *out)
{
	uint64_t cursor = 0;

	return tg_image_set_next(image, &cursor, out);
}

static int set_element(void *out)
{
	uint64_t cursor = 0;

	return tg_image_element_next(image, "banned", &cursor, out);
}

static int services_info(void *out)
{
	uint64_t cursor = 0;

	return tg_image_services_next(image, &cursor, out);
}

static int vip_info(void *out)
{
	uint64_t cursor = 0;

	return tg_image_vip_next(image, "svc", &cursor, out);
}

static void check_outputs(void)
{
	check_output("tg_set_info", 56, set_info, false);
	check_output("tg_set_element", 40, set_element, false);
	check_output("tg_services_info", 40, services_info, false);
	check_output("tg_vip_info", 40, vip_info, false);
}

/* What they say, and how walks end. */
static void check_contents(void)
{
	struct tg_set_element element = {.size = sizeof(element)};
	struct tg_services_info services = {.size = sizeof(services)};
	struct tg_backend_info backends[2] = {{.size = sizeof(*backends)}};
	struct tg_set_info set = {.size = sizeof(set)};
	struct tg_vip_info vip = {.size = sizeof(vip)};
	uint64_t sets = 0, elements = 0, tables = 0, vips = 0;
	uint32_t count;

	CHECK(tg_image_set_next(image, &sets, &set) == 1 && !strcmp(set.name, "banned"));
	CHECK(set.capacity == 9 && set.count == 3 && set.ttl_ms == 60000 && !set.bytes);
	CHECK(tg_image_set_next(image, &sets, &set) == 0);
	CHECK(tg_image_element_next(image, "banned", &elements, &element) == 1);
	CHECK(element.family == AF_INET && element.length == 32 && element.ttl_ms == 60000);
	CHECK(tg_image_element_next(image, "banned", &elements, &element) == 1);
	CHECK(element.family == AF_INET6 && element.length == 32 && element.ttl_ms == 5);
	CHECK(tg_image_element_next(image, "banned", &elements, &element) == 1);
	CHECK(element.family == AF_INET && element.length == 8);
	CHECK(element.ttl_ms == TG_TTL_FOREVER);
	CHECK(tg_image_element_next(image, "banned", &elements, &element) == 0);
	CHECK(tg_image_element_next(image, "other", &elements, &element) == -ENOENT);
	CHECK(tg_image_element_next(image, "svc", &elements, &element) == -ENOENT);
	CHECK(tg_image_services_next(image, &tables, &services) == 1);
	CHECK(services.capacity == 1024 && services.count == 1 && !strcmp(services.name, "svc"));
	CHECK(tg_image_services_next(image, &tables, &services) == 0);
	CHECK(tg_image_vip_next(image, "svc", &vips, &vip) == 1 && vip.port == 80);
	CHECK(vip.proto == IPPROTO_TCP && vip.backends == 2 && !vip.reserved);
	CHECK(tg_image_vip_next(image, "svc", &vips, &vip) == 0);
	CHECK(tg_image_vip_backends(image, "svc", "10.96.0.10:80/tcp", backends, 2, &count) == 1);
	CHECK(count == 2 && backends[1].state == TG_BACKEND_DOWN && backends[1].weight == 3);
	CHECK(backends[0].state == TG_BACKEND_UP && backends[0].port == 8080);
	CHECK(!tg_image_vip_backends(image, "svc", "10.96.0.11:80/tcp", backends, 2, &count));
	CHECK(tg_image_vip_backends(image, "svc", "10.96.0.10:80/tcp", NULL, 0, NULL) == 1);
}

/* --- What the library reads ------------------------------------------------------------ */

static char name[16];

static const char *another_name(void)
{
	static int number;

	snprintf(name, sizeof(name), "n%d", number++);
	return name;
}

static int declare_set(const void *given)
{
	return tg_policy_declare_set(policy, another_name(), given);
}

static int declare_services(const void *given)
{
	return tg_policy_declare_services(policy, another_name(), given);
}

static int set_add(const void *given)
{
	return tg_policy_set_add(policy, "banned", given, 1);
}

static int services_put(const void *given)
{
	return tg_policy_services_put(policy, "svc", "10.96.0.99:80/tcp", given, 1);
}

/* `whole` is a good struct of the first release, `first` its size. */
static void check_input(const void *whole, size_t first, int (*call)(const void *given))
{
	char *exact = at_the_end(first), *longer = at_the_end(first + BEYOND), *shorter;

	memcpy(exact, whole, first);
	CHECK(!call(exact));
	memset(longer, 0, first + BEYOND);
	memcpy(longer, whole, first);
	set_size(longer, first + BEYOND);
	CHECK(!call(longer));
	for (size_t i = first; i < first + BEYOND; i++) {
		longer[i] = 1;
		CHECK(call(longer) == -E2BIG);
		longer[i] = 0;
	}
	for (size_t size = 0; size < first; size += 8) {
		shorter = at_the_end(size < 8 ? 8 : size);
		set_size(shorter, size);
		CHECK(call(shorter) == -EINVAL);
	}
}

static void check_inputs(void)
{
	check_input(&(struct tg_set_options){.size = 24, .capacity = 9}, 24, declare_set);
	check_input(&(struct tg_services_options){.size = 16, .capacity = 9}, 16, declare_services);
	check_input(&(struct tg_set_entry){.size = 24, .item = "192.0.2.1"}, 24, set_add);
	check_input(&(struct tg_backend_spec){.size = 24, .address = "10.0.0.1", .weight = 1}, 24,
		    services_put);
	CHECK(declare_set(&(struct tg_set_options){.size = 24, .flags = 2}) == -EINVAL);
	CHECK(declare_services(&(struct tg_services_options){.size = 16, .flags = 4}) == -EINVAL);
	CHECK(!declare_set(NULL) && !declare_services(NULL));
	CHECK(set_add(NULL) == -EINVAL && services_put(NULL) == -EINVAL);
	CHECK(set_add(&(struct tg_set_entry){.size = 24}) == -EINVAL);
	CHECK(services_put(&(struct tg_backend_spec){.size = 24, .weight = 1}) == -EINVAL);
}

/* The first element's size is that of all; the others' is not read. */
static void check_array(void)
{
	size_t stride = sizeof(struct tg_set_entry) + BEYOND;
	char *array = at_the_end(3 * stride);
	struct tg_set_entry entry = {.size = stride};

	memset(array, 0, 3 * stride);
	for (int i = 0; i < 3; i++) {
		entry.item = i == 2 ? "198.51.100.300" : "198.51.100.1";
		memcpy(array + i * stride, &entry, sizeof(entry));
		entry.size = DIRT;
	}
	CHECK(!tg_policy_set_add(policy, "banned", (void *)array, 2));
	CHECK(tg_policy_set_add(policy, "banned", (void *)array, 3) == -EINVAL);
	CHECK(strstr(tg_error(), "198.51.100.300"));
	array[2 * stride - 1] = 1;
	CHECK(tg_policy_set_add(policy, "banned", (void *)array, 2) == -E2BIG);
}

/* --- A policy to ask -------------------------------------------------------------------- */

static void make_image(void)
{
	const struct tg_set_options options = {
		.size = sizeof(options), .capacity = 9, .ttl_ms = 60000};
	const struct tg_set_entry entries[] = {
		{.size = sizeof(*entries), .item = "192.0.2.1"},
		{.item = "2001:db8::/32", .ttl_ms = 5},
		{.item = "10.0.0.0/8", .ttl_ms = TG_TTL_FOREVER},
	};
	const struct tg_backend_spec backends[] = {
		{.size = sizeof(*backends), .address = "10.0.1.5:8080", .weight = 1},
		{.address = "10.0.1.6:8080", .weight = 3, .state = TG_BACKEND_DOWN},
	};

	CHECK(!tg_policy_new("sizes", &policy));
	CHECK(!tg_policy_declare_set(policy, "banned", &options));
	CHECK(tg_policy_declare_set(policy, "banned", NULL) == -EEXIST);
	CHECK(tg_policy_declare_set(policy, "a b", NULL) == -EINVAL);
	CHECK(!tg_policy_set_add(policy, "banned", entries, 3));
	CHECK(tg_policy_set_add(policy, "other", entries, 3) == -ENOENT);
	CHECK(!tg_policy_declare_services(policy, "svc", NULL));
	/* What is put last counts, however the VIP is spelled. */
	CHECK(!tg_policy_services_put(policy, "svc", "[::ffff:10.96.0.10]:80/tcp", backends, 1));
	CHECK(!tg_policy_services_put(policy, "svc", "10.96.0.10:80/tcp", backends, 2));
	CHECK(!tg_policy_compile(policy, &image));
}

int main(void)
{
	make_image();
	check_outputs();
	check_contents();
	check_inputs();
	check_array();
	tg_policy_free(policy);
	tg_image_free(image);
	puts("ok");
	return 0;
}
