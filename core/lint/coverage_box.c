/* SPDX-License-Identifier: MIT */
/* coverage_box.c - products of classes, and the kinds of calls that there are. */
#include "lint/coverage_box.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "bpf/engine/tree_search.h"

/* Each call has only one of these fields. */
#define ADDRESS_KEYS (1u << TG_KEY_ADDR4 | 1u << TG_KEY_ADDR6 | 1u << TG_KEY_PATH)

int tg_call_kind_count(int place)
{
	return place < TG_OP_COUNT ? TG_CALL_KINDS : 1;
}

const struct tg_call_kind *tg_call_kinds(int place)
{
	/* Calls with a v4-mapped address run the IPv6 hooks, except datagrams. */
	static const struct tg_call_kind kinds[TG_CALL_KINDS] = {
		{TG_KEY_ADDR4, {AF_INET, AF_INET6}},
		{TG_KEY_ADDR6, {AF_INET6}},
	};
	static const struct tg_call_kind paths = {TG_KEY_PATH, {AF_UNIX}};
	static const struct tg_call_kind datagrams[TG_CALL_KINDS] = {
		{TG_KEY_ADDR4, {AF_INET}},
		{TG_KEY_ADDR6, {AF_INET6}},
	};

	if (place >= TG_OP_COUNT)
		return &paths;
	return place == TG_OP_SENDMSG ? datagrams : kinds;
}

/* Replace the classes of a field by a copy of these. */
static int own_list(struct tg_box *box, enum tg_key key, const uint16_t *classes, uint32_t count)
{
	uint16_t *own = malloc((count + 1) * sizeof(*own));

	if (!own)
		return tg_fail(-ENOMEM, "out of memory: no room for a list of classes");
	if (count)
		memcpy(own, classes, count * sizeof(*own));
	free(box->owned[key]);
	box->owned[key] = own;
	box->key[key] = (struct tg_class_list){own, count};
	return 0;
}

/* Write the classes that are in both lists; how many they are. */
static uint32_t common(struct tg_class_list a, struct tg_class_list b, uint16_t *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0, j = 0; i < a.count && j < b.count;) {
		if (a.at[i] == b.at[j])
			out[count++] = a.at[i++], j++;
		else if (a.at[i] < b.at[j])
			i++;
		else
			j++;
	}
	return count;
}

static int restrict_list(struct tg_box *box, enum tg_key key, struct tg_class_list list)
{
	uint32_t least = box->key[key].count < list.count ? box->key[key].count : list.count;
	uint16_t *both;
	int error;

	if (box->key[key].at == list.at)
		return 0;
	both = malloc((least + 1) * sizeof(*both));
	if (!both)
		return tg_fail(-ENOMEM, "out of memory: no room for a list of classes");
	error = own_list(box, key, both, common(box->key[key], list, both));
	free(both);
	return error;
}

static int restrict_families(const struct tg_section_reader *reader,
			     const struct tg_call_kind *kind, struct tg_box *box)
{
	const struct tg_tree *tree = &reader->section->tree[TG_KEY_FAMILY];
	uint16_t classes[2];
	uint32_t count = 0;

	for (int i = 0; i < 2 && kind->families[i]; i++) {
		int cls = tg_class32(&reader->view, tree, kind->families[i]);

		if (cls < 0)
			return tg_fail_damaged();
		if (!count || classes[0] != cls)
			classes[count++] = (uint16_t)cls;
	}
	if (count == 2 && classes[0] > classes[1]) {
		uint16_t first = classes[1];

		classes[1] = classes[0];
		classes[0] = first;
	}
	return restrict_list(box, TG_KEY_FAMILY, (struct tg_class_list){classes, count});
}

int tg_box_of_call_kind(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
			struct tg_box *out)
{
	struct tg_box box = {
		.keys = reader->section->keys & ~(ADDRESS_KEYS & ~(1u << kind->address)),
	};
	int error = 0;

	for (int key = 0; key < TG_KEYS; key++)
		if (box.keys >> key & 1)
			box.key[key] = reader->key[key].all;
	if (box.keys >> TG_KEY_FAMILY & 1)
		error = restrict_families(reader, kind, &box);
	if (error)
		tg_box_free(&box);
	else
		*out = box;
	return error;
}

int tg_box_of_term(const struct tg_section_reader *reader, const struct tg_call_kind *kind,
		   uint32_t term, struct tg_box *out)
{
	struct tg_box box;
	int error = tg_box_of_call_kind(reader, kind, &box);

	if (error)
		return error;
	for (int key = 0; key < TG_KEYS && !error; key++) {
		struct tg_class_list held;

		if (!(box.keys >> key & 1))
			continue;
		held = tg_section_reader_classes(reader, (enum tg_key)key, term);
		if (key == TG_KEY_FAMILY)
			error = restrict_list(&box, TG_KEY_FAMILY, held);
		else
			box.key[key] = held;
	}
	if (error)
		tg_box_free(&box);
	else
		*out = box;
	return error;
}

int tg_box_intersect(struct tg_box *box, const struct tg_box *other)
{
	int error = 0;

	for (int key = 0; key < TG_KEYS && !error; key++)
		if (box->keys & other->keys & (1u << key))
			error = restrict_list(box, (enum tg_key)key, other->key[key]);
	return error;
}

int tg_box_restrict(struct tg_box *box, enum tg_key key, uint32_t cls)
{
	const uint16_t one = (uint16_t)cls;

	if (!(box->keys >> key & 1))
		return 0;
	return restrict_list(box, key, (struct tg_class_list){&one, 1});
}

bool tg_box_is_empty(const struct tg_box *box, uint32_t keys)
{
	for (int key = 0; key < TG_KEYS; key++)
		if ((box->keys & keys & (1u << key)) && !box->key[key].count)
			return true;
	return false;
}

void tg_box_free(struct tg_box *box)
{
	for (int key = 0; key < TG_KEYS; key++)
		free(box->owned[key]);
	*box = (struct tg_box){0};
}
