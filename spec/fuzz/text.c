/* SPDX-License-Identifier: MIT */
/*
 * text.c - texts of a policy: items of lists, targets, backends, options of sockets, rates.
 *
 * The first byte says where the text stands.  What is accepted must also compile, or
 * be refused by the compiler, and what compiles is an image that reads back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "image/verify.h"
#include "spec/c/draw.h"
#include "tidegate.h"

#define EGRESS (TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_SENDMSG))

static void compile(const struct tg_policy *policy)
{
	struct tg_image *image;

	if (tg_policy_compile(policy, &image)) {
		MUST(*tg_error());
		return;
	}
	MUST(!tg_image_verify(image->rows, image->bytes));
	tg_image_free(image);
}

/* A rule of one list. */
static void in_list(struct tg_policy *policy, enum tg_field field, uint32_t ops, const char *text)
{
	struct tg_rule rule = {.size = sizeof(rule), .verb = TG_VERB_DENY, .ops = ops};
	struct tg_list *list;
	uint32_t index;

	MUST(!tg_list_new(field, 0, &list));
	if (!tg_list_add(list, text)) {
		MUST(!tg_policy_add_rule(policy, &rule, &index));
		if (!tg_policy_add_match(policy, index, list))
			compile(policy);
	}
	tg_list_free(list);
}

static void in_rule(struct tg_policy *policy, uint32_t member, const char *text)
{
	struct tg_rule rule = {.size = sizeof(rule), .verb = TG_VERB_REWRITE, .ops = EGRESS};
	uint32_t index;

	switch (member) {
	case 0:
		rule.to = text;
		break;
	case 1:
		rule.verb = TG_VERB_ALLOW;
		rule.ops = TG_BIT(TG_OP_CONNECT);
		rule.bind_source = text;
		break;
	case 2:
		rule.verb = TG_VERB_ALLOW;
		rule.ops = TG_BIT(TG_OP_CONNECT);
		rule.sockopt = text;
		break;
	case 3:
		rule.verb = TG_VERB_DENY;
		rule.over = text;
		break;
	case 4:
		rule.verb = TG_VERB_DENY;
		rule.log = text;
		break;
	case 5:
		rule.verb = TG_VERB_DENY;
		rule.error = text;
		break;
	default:
		rule.verb = TG_VERB_DENY;
		rule.name = rule.message = rule.text = rule.where = text;
	}
	if (!tg_policy_add_rule(policy, &rule, &index))
		compile(policy);
}

static void in_table(struct tg_policy *policy, uint32_t place, const char *text)
{
	struct tg_set_entry entry = {.size = sizeof(entry), .item = text};
	struct tg_rule rule = {.size = sizeof(rule), .verb = TG_VERB_BALANCE, .ops = EGRESS};
	uint32_t index;

	switch (place) {
	case 0:
		MUST(!tg_policy_declare_set(policy, "s", NULL));
		if (!tg_policy_set_add(policy, "s", &entry, 1))
			compile(policy);
		break;
	case 1:
		MUST(!tg_policy_declare_services(policy, "v", NULL));
		if (!tg_policy_services_put(policy, "v", text, NULL, 0))
			compile(policy);
		break;
	case 2:
		MUST(!tg_policy_add_rule(policy, &rule, &index));
		if (!tg_policy_add_backend(policy, index, text, 1))
			compile(policy);
		break;
	default:
		if (!tg_policy_declare_set(policy, text, NULL))
			compile(policy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tg_policy *policy;
	uint32_t place;
	char *text;

	if (!size)
		return 0;
	place = data[0];
	text = malloc(size); /* of its very size, so that the sanitizer knows its end */
	MUST(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = 0;
	MUST(!tg_policy_new("fuzz", &policy));
	if (place < 0x80)
		in_list(policy, place % TG_FIELD_COUNT, place & 0x40 ? TG_BIT(TG_OP_BIND) : EGRESS,
			text);
	else if (place < 0xc0)
		in_rule(policy, place % 7, text);
	else
		in_table(policy, place % 4, text);
	tg_policy_free(policy);
	free(text);
	return 0;
}
