/* SPDX-License-Identifier: MIT */
/* read_image.c - all code that reads an image, for one that was accepted. */
#include "read_image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "draw.h"
#include "image/image_tables.h"
#include "simulate/mismatch.h"
#include "simulate/simulate.h"
#include "tidegate_private.h"

#define QUERIES 40

static void query_random(struct tg_query *query)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t documentation[4] = {0x20, 0x01, 0x0d, 0xb8};
	bool is4 = below(2);

	*query = (struct tg_query){.size = sizeof(*query),
				   .op = below(2) ? TG_OP_CONNECT : TG_OP_SENDMSG};
	for (int i = 0; i < 16; i++)
		query->addr[i] = below(2) ? 0 : (uint8_t)draw();
	if (is4)
		memcpy(query->addr, mapped, sizeof(mapped));
	else
		memcpy(query->addr, documentation, sizeof(documentation));
	query->family = is4 ? AF_INET : AF_INET6;
	if (below(3) == 0) {
		query->family = AF_UNIX;
		query->path_bytes =
			(uint32_t)snprintf((char *)query->path, sizeof(query->path), "%s%u",
					   below(2) ? "/run/" : "name", below(100));
	}
	query->port = 1 + below(65535);
	query->proto = below(2) ? 6 : 17;
	query->uid = below(1200);
	query->gid = below(1200);
	query->pid = below(1200);
	query->mark = below(1200);
	query->device = below(1200);
	query->netns = below(100);
	query->source_port = below(65536);
	for (int i = 0; i < 16; i++)
		query->source[i] = below(2) ? 0 : (uint8_t)draw();
	for (int i = 0; i <= TG_CGROUP_DEPTH; i++)
		query->cgroup[i] = below(3);
	for (int i = 0; i < 15; i++)
		query->comm[i] = (uint8_t)draw();
}

static size_t read_texts(const struct tg_image *image)
{
	struct tg_image_info info = {.size = sizeof(info)};
	struct tg_rule_info rule = {.size = sizeof(rule)};
	size_t length;

	MUST(!tg_image_info(image, &info));
	length = strlen(info.name);
	for (uint32_t i = 0; i < info.rules; i++) {
		MUST(!tg_image_rule(image, i, &rule));
		length += strlen(rule.name) + strlen(rule.where) + strlen(rule.text);
	}
	MUST(tg_image_rule(image, info.rules, &rule));
	return length;
}

static void read_sets(const struct tg_image *image)
{
	struct tg_set_info info = {.size = sizeof(info)};
	volatile size_t length = 0;
	uint64_t index = 0;

	while (tg_image_set_next(image, &index, &info) == 1) {
		struct tg_set_element element = {.size = sizeof(element)};
		uint64_t cursor = 0;
		int result;

		length += strlen(info.name);
		while ((result = tg_image_element_next(image, info.name, &cursor, &element)) == 1)
			length += element.length;
		/* Damage may have given two sets one name. */
		MUST(result == 0 || result == -2);
	}
	(void)length;
}

static void read_services(const struct tg_image *image)
{
	struct tg_services_info info = {.size = sizeof(info)};
	volatile size_t length = 0;
	uint64_t index = 0;

	while (tg_image_services_next(image, &index, &info) == 1) {
		struct tg_vip_info vip = {.size = sizeof(vip)};
		uint64_t cursor = 0;

		length += strlen(info.name);
		while (tg_image_vip_next(image, info.name, &cursor, &vip) == 1)
			length += vip.backends;
	}
	(void)length;
}

static size_t items_length(const struct tg_dump_items *items)
{
	size_t length = 0;

	for (uint32_t i = 0; i < items->count; i++)
		length += strlen(items->at[i]);
	return length;
}

/* Damage may have made conditions that nothing says, or trees whose values are out of order. */
static void must_be_told(int result)
{
	MUST(result >= 0 || result == -EOPNOTSUPP || result == -EINVAL);
}

static void dump_lists(struct tg_dump *dump)
{
	static const uint32_t fields[] = {TG_FIELD_ENDPOINT, TG_FIELD_SOURCE};
	struct tg_dump_product product;
	struct tg_dump_items items;
	volatile size_t length = 0;
	int result;

	for (uint32_t field = 0; field < TG_FIELD_COUNT; field++) {
		result = field == fields[0] || field == fields[1]
				 ? 0
				 : tg_dump_condition(dump, field, &items);
		must_be_told(result);
		if (result > 0)
			length += items_length(&items);
	}
	for (int i = 0; i < 2; i++) {
		uint32_t index = 0;

		while ((result = tg_dump_product(dump, fields[i], index++, &product)) == 1)
			length += items_length(&product.addrs) + items_length(&product.ports);
		must_be_told(result);
	}
	(void)length;
}

static void read_back(const struct tg_image *image, uint32_t rules)
{
	struct tg_dump_table table;
	struct tg_dump *dump;
	struct tg_rule rule;
	uint64_t cursor = 0;

	MUST(!tg_dump_new(image, &dump));
	for (uint32_t i = 0; i < rules; i++) {
		int result = tg_dump_rule(dump, i, &rule);

		must_be_told(result);
		if (result < 0)
			continue;
		dump_lists(dump);
		MUST(!tg_dump_backends(dump, NULL, 0, NULL));
	}
	tg_dump_free(dump);
	while (tg_dump_table_next(image, &cursor, &table) == 1)
		MUST(strlen(table.name) < image->bytes);
}

void read_image(const struct bytes *bytes)
{
	struct tg_image image = {.rows = bytes->at, .bytes = bytes->size};
	struct tg_backend_info backend;
	struct tg_image_info info = {.size = sizeof(info)};
	volatile size_t length = read_texts(&image);

	(void)length;
	MUST(!tg_image_info(&image, &info));
	for (int i = 0; i < QUERIES; i++) {
		struct tg_backend_rows candidates;
		struct tg_decision decision;
		struct tg_query query;
		uint32_t fields;

		query_random(&query);
		MUST(!tg_decide(&image, NULL, &query, &decision));
		MUST(!tg_candidates(&image, NULL, &query, &candidates));
		for (uint32_t k = 0; k < candidates.count; k++)
			tg_backend_rows_read(&candidates, k, &backend);
		MUST(decision.rule == TG_RULE_DEFAULT || decision.rule < info.rules);
		if (decision.rule != TG_RULE_DEFAULT)
			MUST(!tg_mismatch(&image, NULL, &query, decision.rule, &fields));
	}
	read_sets(&image);
	read_services(&image);
	read_back(&image, info.rules);
	tg_image_tables_free(&image);
}
