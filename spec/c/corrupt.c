/* SPDX-License-Identifier: MIT */
/*
 * corrupt.c - damages images in thousands of ways: each damaged image must be
 * refused, or be harmless to all code that reads images.
 *
 *   corrupt [SEED [CORRUPTIONS]]
 *
 * It is built with the address and undefined behaviour sanitizers, which end it
 * if anything reads outside an image.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "damage.h"
#include "draw.h"
#include "image/image_tables.h"
#include "random_image.h"

#define QUERIES      40
#define POLICY_EVERY 100 /* corruptions of one image, before the next policy */

/* --- Reading an image that was accepted ------------------------------------------ */

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
	query->from_port = below(65536);
	for (int i = 0; i < 16; i++)
		query->from[i] = below(2) ? 0 : (uint8_t)draw();
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
	uint32_t index = 0;

	for (; !tg_image_set(image, index, &info); index++) {
		struct tg_set_element element;
		uint64_t cursor = 0;

		length += strlen(info.name);
		while (tg_image_set_next(image, index, &cursor, &element))
			length += element.length;
		MUST(cursor == info.count);
	}
	(void)length;
}

static void use(const struct bytes *bytes)
{
	struct tg_image image = {.rows = bytes->at, .bytes = bytes->size};
	struct tg_backend_info backend;
	struct tg_image_info info = {.size = sizeof(info)};
	volatile size_t length = read_texts(&image);

	(void)length;
	MUST(!tg_image_info(&image, &info));
	for (int i = 0; i < QUERIES; i++) {
		struct tg_decision decision = {.size = sizeof(decision)};
		struct tg_query query;
		uint32_t fields;

		query_random(&query);
		MUST(!tg_image_decide(&image, &query, &decision));
		for (uint32_t k = 0; !tg_image_choice(&image, &query, k, &backend); k++)
			;
		MUST(decision.rule == TG_RULE_DEFAULT || decision.rule < info.rules);
		if (decision.rule != TG_RULE_DEFAULT)
			MUST(!tg_image_mismatch(&image, &query, decision.rule, &fields));
	}
	read_sets(&image);
	tg_image_tables_free(&image);
}

/* An image may lie at any address. */
static bool verify_anywhere(const struct bytes *bytes)
{
	unsigned char *odd = malloc(bytes->size + 1);
	int error = tg_image_verify(bytes->at, bytes->size);

	MUST(odd);
	memcpy(odd + 1, bytes->at, bytes->size);
	MUST(tg_image_verify(odd + 1, bytes->size) == error);
	MUST(!error || error == -22);
	free(odd);
	return !error;
}

/* The checksum covers everything except the generation. */
static bool differs_in_generation_only(const struct bytes *bytes, const struct tg_image *image)
{
	struct tg_image_header header;

	if (bytes->size != image->bytes)
		return false;
	memcpy(&header, bytes->at, sizeof(header));
	header.generation = ((struct tg_image_header *)image->rows)->generation;
	return !memcmp(&header, image->rows, sizeof(header)) &&
	       !memcmp(bytes->at + sizeof(header), (char *)image->rows + sizeof(header),
		       image->bytes - sizeof(header));
}

int main(int argc, char **argv)
{
	uint32_t corruptions = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 10000;
	uint32_t refused = 0, harmless = 0;
	struct tg_image *image = NULL;

	draw_from(argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL));
	for (uint32_t i = 0; i < corruptions; i++) {
		enum damage damage = below(DAMAGES);
		struct bytes bytes;

		if (i % POLICY_EVERY == 0) {
			tg_image_free(image);
			image = random_image();
			bytes = copy_bytes(image->rows, image->bytes);
			MUST(verify_anywhere(&bytes));
			use(&bytes);
			free(bytes.at);
		}
		bytes = copy_bytes(image->rows, image->bytes);
		inflict(&bytes, damage);
		if (!verify_anywhere(&bytes)) {
			refused++;
		} else {
			MUST(damage >= ACCIDENTS || differs_in_generation_only(&bytes, image));
			use(&bytes);
			harmless++;
		}
		free(bytes.at);
	}
	tg_image_free(image);
	printf("seed %llu: %u corruptions: %u refused, %u harmless\n",
	       (unsigned long long)draw_seed, corruptions, refused, harmless);
	return 0;
}
