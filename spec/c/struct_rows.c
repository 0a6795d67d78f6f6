/* SPDX-License-Identifier: MIT */
#include "spec/c/struct_rows.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spec/c/check.h"
#include "tidegate.h"

static const char *cgroup;
static struct tg_policy *policy;
static struct tg_image *image;
static struct tg_gate *gate;
static struct tg_set *set;
static struct tg_services *services;
static struct tg_lint *lint;

/* What calls take besides the struct that is tested. */
static const struct tg_attach_options only = {.size = sizeof(only), .flags = TG_ATTACH_ONLY};
static struct tg_query query = {.size = sizeof(query)};    /* denied */
static struct tg_query balanced = {.size = sizeof(query)}; /* by rule 1 */
static struct tg_decision a_decision = {.size = sizeof(a_decision)};
static uint32_t some_fields;
static char line[TG_EVENT_TEXT];

/* --- Calls ----------------------------------------------------------------------- */

static int add_rule(void *first, uint32_t count)
{
	uint32_t index;
	struct tg_policy *own;
	int error = tg_policy_new("rules", &own);

	(void)count;
	if (!error)
		error = tg_policy_add_rule(own, first, &index);
	tg_policy_free(own);
	return error;
}

static void fill_rule(void *first, uint32_t index)
{
	struct tg_rule *rule = first;

	(void)index;
	rule->verb = TG_VERB_DENY;
	rule->ops = TG_BIT(TG_OP_CONNECT);
}

static int declare_set(void *first, uint32_t count)
{
	struct tg_policy *own;
	int error = tg_policy_new(NULL, &own);

	(void)count;
	if (!error)
		error = tg_policy_declare_set(own, "banned", first);
	tg_policy_free(own);
	return error;
}

static int declare_services(void *first, uint32_t count)
{
	struct tg_policy *own;
	int error = tg_policy_new(NULL, &own);

	(void)count;
	if (!error)
		error = tg_policy_declare_services(own, "web", first);
	tg_policy_free(own);
	return error;
}

static void fill_entry(void *first, uint32_t index)
{
	static const char *const items[] = {"10.0.0.1", "10.0.0.2"};

	((struct tg_set_entry *)first)->item = items[index];
}

static int set_replace(void *first, uint32_t count)
{
	struct tg_set_info info = {.size = sizeof(info)};
	int error = tg_set_replace(set, first, count);

	CHECK(error || (!tg_set_info(set, &info) && info.count == count));
	return error;
}

static int set_add(void *first, uint32_t count)
{
	return tg_set_add(set, first, count);
}

static void fill_backend(void *first, uint32_t index)
{
	struct tg_backend_spec *backend = first;

	backend->address = index ? "10.0.1.6:80" : "10.0.1.5:80";
	backend->weight = 1 + index;
}

static int services_put(void *first, uint32_t count)
{
	struct tg_backend_info got[2] = {{.size = sizeof(got[0])}};
	uint32_t many;
	int error = tg_services_put(services, "192.0.2.1:80/tcp", first, count, 0, NULL);

	if (error)
		return error;
	CHECK(tg_services_backends(services, "192.0.2.1:80/tcp", got, 2, &many) == 1);
	CHECK(many == count && got[count - 1].weight == count);
	return 0;
}

static int services_put_backend(void *first, uint32_t count)
{
	(void)count;
	return tg_services_put_backend(services, "192.0.2.1:80/tcp", first, 0, NULL);
}

static int policy_services_put(void *first, uint32_t count)
{
	return tg_policy_services_put(policy, "svc", "192.0.2.9:80/tcp", first, count);
}

static int services_backends(void *first, uint32_t count)
{
	struct tg_backend_spec two[2] = {{.size = sizeof(two[0])}};
	uint32_t many = 0;
	int found;

	fill_backend(&two[0], 0);
	fill_backend(&two[1], 1);
	CHECK(!tg_services_put(services, "192.0.2.1:80/tcp", two, 2, 0, NULL));
	found = tg_services_backends(services, "192.0.2.1:80/tcp", first, count, &many);
	CHECK(found < 0 || many == 2);
	return found;
}

static int image_rule_backends(void *first, uint32_t count)
{
	uint32_t many;

	return tg_image_rule_backends(image, 1, first, count, &many);
}

static int gate_rule_backends(void *first, uint32_t count)
{
	uint32_t many;

	return tg_gate_rule_backends(gate, 1, first, count, &many);
}

static int image_vip_backends(void *first, uint32_t count)
{
	uint32_t many;

	return tg_image_vip_backends(image, "svc", "192.0.2.1:80/tcp", first, count, &many);
}

static int backend_next(void *first, uint32_t count)
{
	uint64_t cursor = 0;
	uint32_t rule;

	(void)count;
	return tg_gate_backend_next(gate, &cursor, &rule, first);
}

/* A call of one struct that only reads: `expression` has it in `first`, and may use `cursor`. */
#define CALL(function, expression)                                                                 \
	static int function(void *first, uint32_t count)                                           \
	{                                                                                          \
		uint64_t cursor = 0;                                                               \
                                                                                                   \
		(void)count;                                                                       \
		(void)cursor;                                                                      \
		return expression;                                                                 \
	}

CALL(image_info, tg_image_info(image, first))
CALL(image_rule, tg_image_rule(image, 0, first))
CALL(image_set, tg_image_set_next(image, &cursor, first))
CALL(image_element, tg_image_element_next(image, "banned", &cursor, first))
CALL(image_services, tg_image_services_next(image, &cursor, first))
CALL(image_vip, tg_image_vip_next(image, "svc", &cursor, first))
CALL(set_info, tg_set_info(set, first))
CALL(set_next, tg_set_next(set, &cursor, first))
CALL(set_find, tg_set_find(set, "10.0.0.1", first))
CALL(services_info, tg_services_info(services, first))
CALL(services_next, tg_services_next(services, &cursor, first))
CALL(gate_status, tg_gate_status(gate, first))
CALL(gate_stats, tg_gate_stats(gate, NULL, 0, first))
CALL(attachment_next, tg_gate_attachment_next(gate, &cursor, first))
CALL(attach_result, tg_gate_attach(gate, cgroup, &only, first))
CALL(attach_options, tg_gate_attach(gate, cgroup, first, NULL))
CALL(doctor, tg_doctor_next(&cursor, first))
CALL(query_endpoint, tg_query_endpoint(first, "10.0.0.1:80"))
CALL(query_field, tg_query_field(first, TG_FIELD_UID, "33"))
CALL(decide, tg_image_decide(image, NULL, first, &a_decision))
CALL(mismatch, tg_image_mismatch(image, gate, first, 0, &some_fields))
CALL(decision, tg_image_decide(image, gate, &query, first))
CALL(candidate, tg_image_candidate_next(image, NULL, &balanced, &cursor, first))
CALL(unsupported, tg_image_unsupported_next(image, &cursor, first))
CALL(finding, tg_lint_next(lint, &cursor, first))
CALL(event_format, tg_event_format(gate, first, TG_FORMAT_JSON, line, sizeof(line)))

static int gate_new(void *first, uint32_t count)
{
	struct tg_gate *another;
	int error = tg_gate_new(first, &another);

	(void)count;
	if (!error)
		tg_gate_close(another);
	return error;
}

/* Have two connects denied, by a child in the cgroup. */
static void provoke(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
	int status = 1;
	pid_t child = fork();

	if (!child) {
		char path[512];
		FILE *members;

		snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
		members = fopen(path, "w");
		if (!members || fputs("0", members) < 0 || fclose(members))
			_exit(1);
		to.sin_addr.s_addr = htonl(0x0a000001);
		for (int i = 0; i < 2; i++) {
			int fd = socket(AF_INET, SOCK_STREAM, 0);

			if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
				_exit(1);
		}
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && !status);
}

static int read_events(void *first, uint32_t count)
{
	uint32_t got = 0;
	struct tg_event rest[8] = {{.size = sizeof(rest[0])}};
	int error;

	provoke();
	error = tg_gate_read_events(gate, first, count, &got);
	CHECK(error || got == count);
	CHECK(!tg_gate_read_events(gate, rest, 8, &got));
	return error;
}

static void fill_event(void *first, uint32_t index)
{
	struct tg_event *event = first;

	(void)index;
	event->hook = TG_HOOK_CONNECT4;
	event->verb = TG_VERB_DENY;
	event->family = AF_INET;
}

static void fill_attach(void *first, uint32_t index)
{
	(void)index;
	((struct tg_attach_options *)first)->flags = TG_ATTACH_ONLY;
}

static void fill_query(void *first, uint32_t index)
{
	size_t size = ((struct tg_query *)first)->size;

	(void)index;
	memcpy((char *)first + sizeof(size), (char *)&query + sizeof(size),
	       sizeof(query) - sizeof(size));
}

#define ROW(of, member_way, function)                                                              \
	.name = #of " of " #function "()", .size = sizeof(struct of), .way = member_way,           \
	.call = function
#define AT(of, member) (long)offsetof(struct of, member)

const struct row struct_rows[] = {
	{ROW(tg_rule, GIVEN, add_rule), .fill = fill_rule, .flags = AT(tg_rule, flags),
	 .reserved = AT(tg_rule, reserved)},
	{ROW(tg_set_options, GIVEN, declare_set), .flags = AT(tg_set_options, flags)},
	{ROW(tg_services_options, GIVEN, declare_services),
	 .flags = AT(tg_services_options, flags)},
	{ROW(tg_set_entry, GIVEN, set_add), .fill = fill_entry, .elements = 2},
	{ROW(tg_set_entry, GIVEN, set_replace), .fill = fill_entry, .elements = 2},
	{ROW(tg_backend_spec, GIVEN, services_put), .fill = fill_backend, .elements = 2},
	{ROW(tg_backend_spec, GIVEN, services_put_backend), .fill = fill_backend},
	{ROW(tg_backend_spec, GIVEN, policy_services_put), .fill = fill_backend, .elements = 2},
	{ROW(tg_backend_info, RESULT, services_backends), .elements = 2},
	{ROW(tg_backend_info, RESULT, image_rule_backends), .elements = 2},
	{ROW(tg_backend_info, RESULT, gate_rule_backends), .elements = 2},
	{ROW(tg_backend_info, RESULT, image_vip_backends), .elements = 2},
	{ROW(tg_backend_info, RESULT, backend_next)},
	{ROW(tg_backend_info, RESULT, candidate)},
	{ROW(tg_image_info, RESULT, image_info)},
	{ROW(tg_rule_info, RESULT, image_rule)},
	{ROW(tg_set_info, RESULT, image_set)},
	{ROW(tg_set_info, RESULT, set_info)},
	{ROW(tg_set_element, RESULT, image_element)},
	{ROW(tg_set_element, RESULT, set_next)},
	{ROW(tg_set_element, RESULT, set_find)},
	{ROW(tg_services_info, RESULT, image_services)},
	{ROW(tg_services_info, RESULT, services_info)},
	{ROW(tg_vip_info, RESULT, image_vip)},
	{ROW(tg_vip_info, RESULT, services_next)},
	{ROW(tg_query, RESULT, query_endpoint)},
	{ROW(tg_query, RESULT, query_field)},
	{ROW(tg_query, GIVEN, decide), .fill = fill_query, .reserved = AT(tg_query, reserved)},
	{ROW(tg_query, GIVEN, mismatch), .fill = fill_query, .reserved = AT(tg_query, reserved)},
	{ROW(tg_decision, RESULT, decision)},
	{ROW(tg_unsupported, RESULT, unsupported)},
	{ROW(tg_finding, RESULT, finding)},
	{ROW(tg_check, RESULT, doctor)},
	{ROW(tg_gate_options, GIVEN, gate_new), .flags = AT(tg_gate_options, flags)},
	{ROW(tg_gate_status, RESULT, gate_status)},
	{ROW(tg_gate_stats, RESULT, gate_stats)},
	{ROW(tg_attach_options, GIVEN, attach_options), .fill = fill_attach,
	 .flags = AT(tg_attach_options, flags)},
	{ROW(tg_attachment, RESULT, attach_result)},
	{ROW(tg_attachment, RESULT, attachment_next)},
	{ROW(tg_event, RESULT, read_events), .elements = 2},
	{ROW(tg_event, GIVEN, event_format), .fill = fill_event,
	 .reserved = AT(tg_event, reserved)},
};

const size_t struct_row_count = sizeof(struct_rows) / sizeof(struct_rows[0]);

/* --- Fixtures ---------------------------------------------------------------------- */

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%d: %s\n", result, tg_error());
	exit(1);
}

static void add(enum tg_verb verb, const char *endpoint)
{
	struct tg_rule rule = {.size = sizeof(rule), .verb = verb, .ops = TG_BIT(TG_OP_CONNECT)};
	struct tg_list *list;
	uint32_t index;

	must(tg_list_new(TG_FIELD_ENDPOINT, 0, &list));
	must(tg_list_add(list, endpoint));
	must(tg_policy_add_rule(policy, &rule, &index));
	must(tg_policy_add_match(policy, index, list));
	if (verb == TG_VERB_BALANCE && endpoint[0] != '@') {
		must(tg_policy_add_backend(policy, index, "10.0.1.5:80", 1));
		must(tg_policy_add_backend(policy, index, "10.0.1.6:80", 2));
	}
	tg_list_free(list);
}

/* Rules: a denial, a balance, a balance over services, a denial of a set, and one too many. */
static void make_policy(void)
{
	struct tg_set_options of_set = {.size = sizeof(of_set)};
	struct tg_services_options of_services = {.size = sizeof(of_services)};
	struct tg_set_entry entry = {.size = sizeof(entry), .item = "203.0.113.1"};
	struct tg_backend_spec backends[2] = {{.size = sizeof(backends[0])}};

	fill_backend(&backends[0], 0);
	fill_backend(&backends[1], 1);
	must(tg_policy_new("structs", &policy));
	must(tg_policy_declare_set(policy, "banned", &of_set));
	must(tg_policy_set_add(policy, "banned", &entry, 1));
	must(tg_policy_declare_services(policy, "svc", &of_services));
	must(tg_policy_services_put(policy, "svc", "192.0.2.1:80/tcp", backends, 2));
	add(TG_VERB_DENY, "10.0.0.1");
	add(TG_VERB_BALANCE, "192.0.2.7:80");
	add(TG_VERB_BALANCE, "@svc");
	add(TG_VERB_DENY, "@banned");
	add(TG_VERB_DENY, "10.0.0.1:80");
}

static void make_gate(void)
{
	must(tg_policy_compile(policy, &image));
	must(tg_lint_new(image, &lint));
	must(tg_gate_new(NULL, &gate));
	must(tg_gate_publish(gate, image, NULL));
	must(tg_gate_attach(gate, cgroup, NULL, NULL));
	must(tg_gate_find_set(gate, "banned", &set));
	must(tg_gate_find_services(gate, "svc", &services));
	must(tg_query_endpoint(&query, "10.0.0.1:80"));
	must(tg_query_endpoint(&balanced, "192.0.2.7:80"));
}

void make_objects(const char *folder)
{
	cgroup = folder;
	make_policy();
	make_gate();
}

void free_objects(void)
{
	tg_gate_close(gate);
	tg_lint_free(lint);
	tg_image_free(image);
	tg_policy_free(policy);
}
