/* SPDX-License-Identifier: MIT */
/*
 * struct_sizes.c - callers that were built with another size of a struct than the library:
 * what the library reads and writes of it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "guarded.h"
#include "tidegate.h"

#define RULES 2

static struct tg_image *image;
static struct tg_lint *lint;

/* --- What the library writes --------------------------------------------------------- */

static struct tg_query *connect_to(const char *endpoint)
{
	static struct tg_query query;

	query = (struct tg_query){.size = sizeof(query)};
	CHECK(!tg_query_endpoint(&query, endpoint));
	return &query;
}

static int image_info(void *out)
{
	return tg_image_info(image, out);
}

static int rule_info(void *out)
{
	return tg_image_rule(image, 1, out);
}

static int decision(void *out)
{
	return tg_image_decide(image, NULL, connect_to("10.0.0.1:80"), out);
}

static int candidate(void *out)
{
	uint64_t cursor = 0;

	return tg_image_candidate_next(image, NULL, connect_to("192.0.2.1:80"), &cursor, out);
}

static int finding(void *out)
{
	uint64_t cursor = 0;

	return tg_lint_next(lint, &cursor, out);
}

static int check(void *out)
{
	uint64_t cursor = 0;

	return tg_doctor_next(&cursor, out);
}

/* The answer for this kernel may be that it has everything. */
static int unsupported(void *out)
{
	uint64_t cursor = 0;

	return tg_image_unsupported_next(image, &cursor, out);
}

static const struct {
	const char *name;
	size_t size; /* of the first release */
	int (*call)(void *out);
	bool may_be_nothing;
} outputs[] = {
	{"tg_image_info", 168, image_info, false},  {"tg_rule_info", 48, rule_info, false},
	{"tg_decision", 176, decision, false},      {"tg_backend_info", 48, candidate, false},
	{"tg_finding", 24, finding, false},         {"tg_check", 688, check, false},
	{"tg_unsupported", 528, unsupported, true},
};

/* Walks go on without the output, to its end. */
static void check_counting(void)
{
	uint64_t findings = 0, checks = 0, candidates = 0;

	while (tg_lint_next(lint, &findings, NULL) == 1)
		CHECK(findings < 10);
	while (tg_doctor_next(&checks, NULL) == 1)
		CHECK(checks < 100);
	while (tg_image_candidate_next(image, NULL, connect_to("192.0.2.1:80"), &candidates,
				       NULL) == 1)
		CHECK(candidates < 10);
	CHECK(findings && checks > 10 && candidates == 3);
}

/* --- Arrays ---------------------------------------------------------------------------- */

static void check_array(void)
{
	size_t known = sizeof(struct tg_backend_info), stride = known + BEYOND;
	char *array = at_the_end(2 * stride);
	uint32_t count = 0;

	set_size(array, stride);
	CHECK(!tg_image_rule_backends(image, 0, (void *)array, 2, &count) && count == 3);
	for (int i = 0; i < 2; i++) {
		struct tg_backend_info info;

		memcpy(&info, array + i * stride, sizeof(info));
		CHECK(info.size == stride && info.weight == (uint32_t)i + 1);
		CHECK(is_dirt(array + i * stride + known, BEYOND));
	}
	set_size(array, known - 8);
	CHECK(tg_image_rule_backends(image, 0, (void *)array, 2, NULL) == -EINVAL);
	CHECK(!tg_image_rule_backends(image, 0, NULL, 0, &count) && count == 3);
	CHECK(!tg_image_rule_backends(image, 0, NULL, 0, NULL));
	CHECK(tg_image_rule_backends(image, 0, NULL, 1, &count) == -EINVAL);
	CHECK(!tg_image_rule_backends(image, 1, NULL, 0, &count) && count == 0);
	CHECK(tg_image_rule_backends(image, RULES, NULL, 0, &count) == -ERANGE);
}

/* --- What the library reads -------------------------------------------------------------- */

static int decide(struct tg_query *query)
{
	struct tg_decision decision = {.size = sizeof(decision)};
	uint64_t cursor = 0;
	uint32_t fields;
	int error = tg_image_decide(image, NULL, query, &decision);

	CHECK(tg_image_mismatch(image, NULL, query, 0, &fields) == error);
	CHECK(tg_image_candidate_next(image, NULL, query, &cursor,
				      &(struct tg_backend_info){.size = 48}) == error);
	CHECK(error || decision.rule == 1);
	return error;
}

static void check_query(void)
{
	size_t known = sizeof(struct tg_query);
	struct tg_query *exact = at_the_end(known), *longer = at_the_end(known + BEYOND), *shorter;
	char *beyond = (char *)longer + known;

	CHECK(known == 504);
	exact->size = known;
	CHECK(!tg_query_init(exact) && exact->size == known && !exact->uid);
	CHECK(!tg_query_endpoint(exact, "10.0.0.1:80") && !decide(exact));
	CHECK(!tg_query_field(exact, TG_FIELD_UID, "33") && exact->uid == 33 && !decide(exact));

	/* A newer caller: what the library does not know has to be 0. */
	longer->size = known + BEYOND;
	CHECK(!tg_query_init(longer));
	CHECK(!tg_query_endpoint(longer, "10.0.0.1:80") && !decide(longer));
	for (int i = 0; i < BEYOND; i++) {
		beyond[i] = 1;
		CHECK(decide(longer) == -E2BIG);
		CHECK(strstr(tg_error(), "struct tg_query: byte "));
		beyond[i] = 0;
	}
	CHECK(!decide(longer));

	exact->reserved = 1;
	CHECK(decide(exact) == -EINVAL);

	for (size_t size = 0; size < known; size += 8) {
		shorter = at_the_end(size < 8 ? 8 : size);
		shorter->size = size;
		CHECK(decide(shorter) == -EINVAL);
		CHECK(tg_query_init(shorter) == -EINVAL);
		CHECK(tg_query_endpoint(shorter, "10.0.0.1:80") == -EINVAL);
		CHECK(tg_query_field(shorter, TG_FIELD_UID, "33") == -EINVAL);
	}
	CHECK(decide(NULL) == -EINVAL && tg_query_init(NULL) == -EINVAL);
	CHECK(tg_query_endpoint(exact, NULL) == -EINVAL);
}

/* --- An image to ask ------------------------------------------------------------------ */

static void add_rule(struct tg_policy *policy, uint32_t verb, const char *endpoint, uint32_t *index)
{
	struct tg_rule rule = {
		.size = sizeof(rule), .verb = verb, .ops = TG_BIT(TG_OP_CONNECT), .by = NULL};
	struct tg_list *list;

	CHECK(!tg_policy_add_rule(policy, &rule, index));
	CHECK(!tg_list_new(TG_FIELD_ENDPOINT, TG_LIST_NUMERIC, &list));
	CHECK(!tg_list_add(list, endpoint));
	CHECK(!tg_policy_add_match(policy, *index, list));
	tg_list_free(list);
}

/* A rule that balances over three backends, and one that denies everything, which lint finds. */
static void make_image(void)
{
	struct tg_policy *policy;
	uint32_t index;

	CHECK(!tg_policy_new("sizes", &policy));
	add_rule(policy, TG_VERB_BALANCE, "192.0.2.1:80", &index);
	CHECK(!tg_policy_add_backend(policy, index, "127.0.0.1", 1));
	CHECK(!tg_policy_add_backend(policy, index, "127.0.0.2", 2));
	CHECK(!tg_policy_add_backend(policy, index, "127.0.0.3", 3));
	add_rule(policy, TG_VERB_DENY, "*", &index);
	CHECK(!tg_policy_compile(policy, &image));
	CHECK(!tg_lint_new(image, &lint));
	tg_policy_free(policy);
}

int main(void)
{
	make_image();
	for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++)
		check_output(outputs[i].name, outputs[i].size, outputs[i].call,
			     outputs[i].may_be_nothing);
	check_counting();
	check_array();
	check_query();
	tg_lint_free(lint);
	tg_image_free(image);
	puts("ok");
	return 0;
}
