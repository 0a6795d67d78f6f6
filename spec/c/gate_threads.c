/* SPDX-License-Identifier: MIT */
/*
 * gate_threads.c - one thread publishes, others read counters, names and backends,
 * decide calls and change a set: calls that any thread may make at any time.  One more thread
 * uses libbpf itself, with a print function of the host's.
 *
 *   gate_threads SECONDS
 *
 * It prints "ok", or the first failure.  It is built with the thread sanitizer.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tidegate.h"

static struct tg_gate *gate;
static struct tg_image *images[2];
static atomic_bool ended;

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	printf("%s: %s\n", what, tg_error());
	exit(1);
}

static void add_rule(struct tg_policy *policy, uint32_t verb, const char *name, const char *to)
{
	struct tg_rule rule = {
		.size = sizeof(rule), .verb = verb, .ops = TG_BIT(TG_OP_CONNECT), .name = name};
	struct tg_list *list;
	uint32_t index;

	check(tg_policy_add_rule(policy, &rule, &index), "add_rule");
	check(tg_list_new(TG_FIELD_ENDPOINT, 0, &list), "list_new");
	check(tg_list_add(list, to), "list_add");
	check(tg_policy_add_match(policy, index, list), "add_match");
	if (verb == TG_VERB_BALANCE) {
		check(tg_policy_add_backend(policy, index, "127.0.0.1:9", 1), "add_backend");
		check(tg_policy_add_backend(policy, index, "127.0.0.2:9", 2), "add_backend");
	}
	tg_list_free(list);
}

/*
 * Live tables, and rules that name them; no call that is decided here gets as far.
 * Services are in the wide image only, so they come and go.
 */
static void add_tables(struct tg_policy *policy, bool wide)
{
	check(tg_policy_declare_set(policy, "banned", NULL), "declare_set");
	add_rule(policy, TG_VERB_DENY, "ban", "@banned");
	if (!wide)
		return;
	check(tg_policy_declare_services(policy, "svc", NULL), "declare_services");
	add_rule(policy, TG_VERB_DENY, "serve", "@svc");
}

/* With `wide`, the image needs other programs, more rules, and more backends. */
static struct tg_image *make_image(bool wide)
{
	struct tg_policy *policy;
	struct tg_image *image;
	char name[16], to[32];

	check(tg_policy_new("threads", &policy), "policy_new");
	add_rule(policy, TG_VERB_DENY, "first", "192.0.2.1");
	add_rule(policy, TG_VERB_BALANCE, "pool", "192.0.2.2:80");
	for (int i = 0; wide && i < 250; i++) {
		snprintf(name, sizeof(name), "more%d", i);
		snprintf(to, sizeof(to), i % 2 ? "198.51.%d.1" : "[2001:db8::%d]:80", i);
		add_rule(policy, i % 3 ? TG_VERB_DENY : TG_VERB_ALLOW, name, to);
	}
	add_tables(policy, wide);
	check(tg_policy_compile(policy, &image), "compile");
	tg_policy_free(policy);
	return image;
}

/* An image in force may have been replaced by a smaller one meanwhile. */
static void check_rule(int result, const char *what)
{
	if (result != -ERANGE)
		check(result, what);
}

static void read_once(uint32_t turn)
{
	struct tg_gate_stats stats = {.size = sizeof(stats)};
	struct tg_backend_info backends[4] = {{.size = sizeof(*backends)}};
	struct tg_decision decision = {.size = sizeof(decision)};
	struct tg_counters counters[400];
	struct tg_query query = {.size = sizeof(query)};
	uint64_t cursor = 0;
	uint32_t count, rule;

	check(tg_gate_stats(gate, counters, 400, &stats), "stats");
	check_rule(tg_gate_rule_counters(gate, turn % 252, counters), "rule_counters");
	check_rule(tg_gate_rule_backends(gate, 1, backends, 4, &count), "rule_backends");
	while (tg_gate_backend_next(gate, &cursor, &rule, backends) == 1)
		;
	check(tg_query_init(&query), "query_init");
	query.op = TG_OP_CONNECT;
	check(tg_query_endpoint(&query, "192.0.2.1:80"), "query_endpoint");
	check(tg_image_decide(images[turn & 1], gate, &query, &decision), "decide");
	if (decision.verb != TG_VERB_DENY)
		check(-1, "another decision");
}

static void *read_always(void *unused)
{
	(void)unused;
	for (uint32_t turn = 0; !ended; turn++)
		read_once(turn);
	return NULL;
}

/* Services may not be in force at the moment. */
static void check_table(int result, const char *what)
{
	if (result != -ENOENT)
		check(result, what);
}

static void change_set(struct tg_set *set, const char *item)
{
	struct tg_set_entry entry = {.size = sizeof(entry), .item = item};
	struct tg_set_element element = {.size = sizeof(element)};
	struct tg_set_info info = {.size = sizeof(info)};
	uint64_t cursor = 0;
	uint32_t removed = 0;

	check(tg_set_add(set, &entry, 1), "set_add");
	if (tg_set_find(set, item, &element) != 1)
		check(-1, "set_find");
	while (tg_set_next(set, &cursor, &element) == 1)
		;
	check(tg_set_info(set, &info), "set_info");
	check(tg_set_remove(set, &item, 1, &removed), "set_remove");
	if (removed != 1)
		check(-1, "set_remove");
}

static void change_services(struct tg_services *services, const char *address)
{
	struct tg_backend_info backends[8] = {{.size = sizeof(*backends)}};
	struct tg_backend_spec spec = {.size = sizeof(spec), .address = address, .weight = 1};
	struct tg_vip_info vip = {.size = sizeof(vip)};
	uint64_t cursor = 0;
	uint32_t count;

	check_table(tg_services_put_backend(services, "10.96.0.10:80/tcp", &spec, 0, NULL),
		    "put_backend");
	check_table(tg_services_backends(services, "10.96.0.10:80/tcp", backends, 8, &count),
		    "backends");
	while (tg_services_next(services, &cursor, &vip) == 1)
		;
	check_table(tg_services_remove_backend(services, "10.96.0.10:80/tcp", address, 0, NULL),
		    "remove_backend");
}

/* Each thread has an address of its own, which no other adds or removes. */
static void *change_always(void *own)
{
	struct tg_services *services = NULL;
	struct tg_set *set;

	check(tg_gate_find_set(gate, "banned", &set), "find_set");
	while (!ended) {
		change_set(set, own);
		check_table(tg_gate_find_services(gate, "svc", &services), "find_services");
		if (services)
			change_services(services, own);
	}
	return NULL;
}

/* --- libbpf of the host ------------------------------------------------------------------- */

static _Thread_local bool warns;
static _Thread_local unsigned int heard;

static int host_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	heard++;
	if (warns)
		return 0;
	printf("the host's print function hears of what is not the host's\n");
	exit(1);
}

static void *warn_always(void *unused)
{
	(void)unused;
	warns = true;
	while (!ended) {
		unsigned int before = heard;

		if (bpf_object__open_file("/none", NULL) || heard == before) {
			printf("the host does not hear what libbpf says to it\n");
			exit(1);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
	pthread_t readers[3], changers[2], warner;
	uint64_t generation = 0, last;

	libbpf_set_print(host_print);
	for (int wide = 0; wide < 2; wide++)
		images[wide] = make_image(wide);
	check(tg_gate_new(NULL, &gate), "gate_new");
	check(tg_gate_publish(gate, images[0], &generation), "publish");
	pthread_create(&warner, NULL, warn_always, NULL);
	for (int i = 0; i < 3; i++)
		pthread_create(&readers[i], NULL, read_always, NULL);
	for (int i = 0; i < 2; i++)
		pthread_create(&changers[i], NULL, change_always, i ? "10.0.0.1" : "10.0.0.2");
	for (int turn = 1; time(NULL) < end; turn++) {
		last = generation;
		check(tg_gate_publish(gate, images[turn & 1], &generation), "publish");
		if (generation != last + 1)
			printf("generation %ju after %ju\n", (uintmax_t)generation,
			       (uintmax_t)last);
	}
	ended = true;
	for (int i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(changers[i], NULL);
	pthread_join(warner, NULL);
	tg_gate_close(gate);
	if (libbpf_set_print(NULL) != host_print) {
		printf("the host's print function is lost\n");
		exit(1);
	}
	for (int wide = 0; wide < 2; wide++)
		tg_image_free(images[wide]);
	puts("ok");
	return 0;
}
