/* SPDX-License-Identifier: MIT */
/*
 * corrupt.c - damages images in thousands of ways and looks what becomes of
 * it: each must be refused, or be harmless to all that reads images.
 *
 *   corrupt [SEED [CORRUPTIONS]]
 *
 * Built with the address and undefined behaviour sanitizers, which end it
 * where something reads outside an image.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../../core/image.h"

#define QUERIES      40
#define POLICY_EVERY 100 /* corruptions of one image */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "corrupt.c:%d: seed %llu: not so: %s: %s\n", __LINE__,     \
				(unsigned long long)seed, #condition, tg_error());                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static uint64_t seed, state;

static uint64_t draw(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint32_t below(uint64_t n)
{
	return (uint32_t)(draw() % n);
}

/* --- Random policies ----------------------------------------------------------- */

static void endpoint_text(char *text, size_t size)
{
	unsigned low = below(65535);

	switch (below(8)) {
	case 6:
		snprintf(text, size, "unix:/run/%u*", low);
		break;
	case 7:
		snprintf(text, size, "unix:@name%u", low);
		break;
	case 0:
		snprintf(text, size, "10.%u.%u.0/24:%u", below(4), below(4), low);
		break;
	case 1:
		snprintf(text, size, "127.0.0.%u", below(256));
		break;
	case 2:
		snprintf(text, size, "[2001:db8::%x]:%u-65535", below(9), low);
		break;
	case 3:
		snprintf(text, size, "2001:db8:%x::/%u", below(9), 48 + below(81));
		break;
	case 4:
		snprintf(text, size, "*:%u", low);
		break;
	default:
		snprintf(text, size, "!192.168.%u.%u", below(4), below(256));
	}
}

static void field_text(enum tg_field field, char *text, size_t size)
{
	switch (field) {
	case TG_FIELD_ENDPOINT:
	case TG_FIELD_FROM:
		endpoint_text(text, size);
		break;
	case TG_FIELD_PROTO:
		snprintf(text, size, below(2) ? "tcp" : "udp");
		break;
	case TG_FIELD_FAMILY:
		snprintf(text, size, below(2) ? "inet" : "inet6");
		break;
	case TG_FIELD_COMM:
		snprintf(text, size, below(2) ? "curl%u" : "nginx-wrk%u*", below(99));
		break;
	case TG_FIELD_TYPE:
		snprintf(text, size, below(2) ? "stream" : "dgram");
		break;
	case TG_FIELD_EXE:
		snprintf(text, size, below(2) ? "/bin/sh" : "!/bin/sh");
		break;
	case TG_FIELD_NETNS:
		snprintf(text, size, "%u", 1 + below(99));
		break;
	case TG_FIELD_CGROUP:
		snprintf(text, size, below(2) ? "*" : "!*");
		break;
	default:
		snprintf(text, size, "%u-%u", below(500), 500 + below(500));
	}
}

static const char *const set_names[] = {"banned", "known", "many"};
static uint32_t sets; /* of the policy at hand */

static void match_random(struct tg_policy *policy, uint32_t rule, enum tg_field field)
{
	struct tg_list *list;
	uint32_t items = 1 + below(4);
	char text[64];

	MUST(!tg_list_new(field, &list));
	for (uint32_t i = 0; i < items; i++) {
		field_text(field, text, sizeof(text));
		MUST(!tg_list_add(list, text));
	}
	if (field == TG_FIELD_ENDPOINT && sets && !below(3))
		MUST(!tg_list_add_set(list, set_names[below(sets)], below(2)));
	MUST(!tg_policy_match(policy, rule, list));
	tg_list_free(list);
}

/* Some live sets, for the rules that follow to name. */
static void declare_sets(struct tg_policy *policy)
{
	char text[64];

	sets = below(2) * below(COUNT_OF(set_names) + 1);
	for (uint32_t i = 0; i < sets; i++) {
		MUST(!tg_policy_set(policy, set_names[i], below(2) * 64, below(2) * 60000));
		for (uint32_t items = below(20); items > 0; items--) {
			snprintf(text, sizeof(text), below(2) ? "10.%u.%u.0/24" : "2001:db8:%x::%x",
				 below(4), below(256));
			MUST(!tg_policy_set_add(policy, set_names[i], text, TG_TTL_DEFAULT));
		}
	}
}

/* A rule that leads unix sockets elsewhere matches no others. */
static void add_path_rewrite(struct tg_policy *policy)
{
	struct tg_rule rule = {
		.size = sizeof(rule),
		.verb = TG_VERB_REWRITE,
		.ops = 1 << TG_OP_CONNECT | 1 << TG_OP_SENDMSG,
		.to = below(2) ? "unix:/run/there" : "unix:@there",
	};
	struct tg_list *list;
	uint32_t index;
	char text[64];

	snprintf(text, sizeof(text), "unix:/run/%u*", below(100));
	MUST(!tg_policy_add(policy, &rule, &index));
	MUST(!tg_list_new(TG_FIELD_ENDPOINT, &list));
	MUST(!tg_list_add(list, text));
	MUST(!tg_policy_match(policy, index, list));
	tg_list_free(list);
}

static void add_balance(struct tg_policy *policy)
{
	static const char *const keys[] = {NULL, "uid", "destination", "socket"};
	struct tg_rule rule = {
		.size = sizeof(rule),
		.verb = TG_VERB_BALANCE,
		.ops = 1 << TG_OP_CONNECT | below(2) << TG_OP_SENDMSG,
		.key = keys[below(4)],
		.set = NULL,
	};
	uint32_t index, backends = below(4) ? 1 + below(20) : 1 + below(TG_MAX_BACKENDS);
	struct tg_list *list;
	char text[64];

	rule.by = rule.key ? "hash" : NULL;
	MUST(!tg_policy_add(policy, &rule, &index));
	for (uint32_t i = 0; i < backends; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u:%u", i / 200, i % 200 + 1, 1 + below(9));
		MUST(!tg_policy_backend(policy, index, text, 1 + below(2) * below(9)));
	}
	MUST(!tg_list_new(TG_FIELD_ENDPOINT, &list));
	snprintf(text, sizeof(text), "10.%u.0.0/16", below(9));
	MUST(!tg_list_add(list, text));
	MUST(!tg_policy_match(policy, index, list));
	tg_list_free(list);
}

/* Services, and a rule that leads to them. */
static void add_services(struct tg_policy *policy)
{
	struct tg_rule rule = {
		.size = sizeof(rule),
		.verb = TG_VERB_BALANCE,
		.ops = 1 << TG_OP_CONNECT | 1 << TG_OP_SENDMSG,
	};
	struct tg_list *list;
	uint32_t index;

	MUST(!tg_policy_services(policy, "svc", 0));
	for (uint32_t i = below(20); i > 0; i--) {
		struct tg_backend_spec backend = {
			.weight = 1 + below(9), .state = 1 + below(3), .address = "10.0.0.1:80"};
		char vip[64];

		snprintf(vip, sizeof(vip), "10.%u.0.%u:%u/%s", below(9), i, 1 + below(99),
			 below(2) ? "tcp" : "udp");
		MUST(!tg_policy_service(policy, "svc", vip, &backend, below(2)));
	}
	MUST(!tg_policy_add(policy, &rule, &index));
	MUST(!tg_list_new(TG_FIELD_ENDPOINT, &list));
	MUST(!tg_list_add_set(list, "svc", false));
	MUST(!tg_policy_match(policy, index, list));
	tg_list_free(list);
}

static struct tg_image *random_image(void)
{
	static const char *const logs[] = {NULL, "true", "10/s", "1/100"};
	uint32_t rules = below(3) ? below(12) : 50 + below(150);
	struct tg_policy *policy;
	struct tg_image *image;
	uint32_t index;

	MUST(!tg_policy_new(below(2) ? "damaged" : NULL, &policy));
	if (below(2))
		MUST(!tg_policy_default(policy, 1 << TG_OP_CONNECT, TG_VERB_DENY));
	declare_sets(policy);
	for (uint32_t i = 0; i < rules; i++) {
		struct tg_rule rule = {
			.size = sizeof(rule),
			.verb = below(2) ? TG_VERB_ALLOW : TG_VERB_DENY,
			.ops = below(2) ? 1 << TG_OP_CONNECT | 1 << TG_OP_SENDMSG
					: 1 << TG_OP_CONNECT,
			.where = "corrupt.c:1",
			.log = logs[below(4)],
			.over = below(4) ? NULL : "100/s",
			.shadow = !below(6),
		};

		MUST(!tg_policy_add(policy, &rule, &index));
		for (int field = 0; field < TG_FIELDS; field++)
			if (below(field ? 6 : 2) == 0)
				match_random(policy, index, field);
	}
	for (uint32_t i = below(2) * below(5); i > 0; i--)
		add_path_rewrite(policy);
	for (uint32_t i = below(2) * below(5); i > 0; i--)
		add_balance(policy);
	if (!below(3))
		add_services(policy);
	MUST(!tg_policy_compile(policy, &image));
	tg_policy_free(policy);
	return image;
}

/* --- Damage --------------------------------------------------------------------- */

enum damage {
	ONE_BIT,               /* as it comes off a bad disk */
	SHORTER,               /* a copy that was cut short */
	NOISE,                 /* something else altogether */
	ACCIDENTS,             /* the last that the checksum guards against */
	SOME_BITS = ACCIDENTS, /* from here on somebody made the checksum right again */
	SOME_WORDS,
	HEAD_WORDS, /* those that say where everything is */
	SWAPPED_ROWS,
	CUT_ROWS,
	DAMAGES,
};

struct bytes {
	unsigned char *at; /* a block of its own, so that the sanitizer knows its end */
	size_t size;
};

static struct bytes copy_bytes(const void *from, size_t size)
{
	struct bytes bytes = {malloc(size ? size : 1), size};

	MUST(bytes.at);
	memcpy(bytes.at, from, size);
	return bytes;
}

static void flip_bits(struct bytes *bytes, uint32_t count)
{
	while (count--)
		bytes->at[below(bytes->size)] ^= (unsigned char)(1u << below(8));
}

/* A number that is likely to be somebody's index, size or class. */
static uint32_t tempting_word(const struct bytes *bytes)
{
	uint32_t rows = (uint32_t)(bytes->size / TG_ROW_BYTES);
	uint32_t word;

	switch (below(7)) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX - below(2);
	case 2:
		return rows - below(3);
	case 3:
		return TG_CHAIN | below(8) << 28 | below(rows);
	case 4:
		memcpy(&word, bytes->at + below(bytes->size / 4) * 4, 4);
		return word + below(3) - 1;
	case 5:
		return below(70);
	default:
		return below(rows);
	}
}

static void write_words(struct bytes *bytes, uint32_t count, size_t within)
{
	if (within > bytes->size)
		within = bytes->size;
	while (count--) {
		uint32_t word = tempting_word(bytes);

		memcpy(bytes->at + below(within / 4) * 4, &word, 4);
	}
}

static void swap_rows(struct bytes *bytes)
{
	uint32_t rows = (uint32_t)(bytes->size / TG_ROW_BYTES);
	unsigned char *a = bytes->at + (1 + below(rows - 1)) * TG_ROW_BYTES;
	unsigned char *b = bytes->at + (1 + below(rows - 1)) * TG_ROW_BYTES;
	unsigned char kept[TG_ROW_BYTES];

	memcpy(kept, a, TG_ROW_BYTES);
	memmove(a, b, TG_ROW_BYTES);
	if (below(2))
		memcpy(b, kept, TG_ROW_BYTES);
}

static void cut(struct bytes *bytes, size_t size)
{
	struct bytes shorter = copy_bytes(bytes->at, size);

	free(bytes->at);
	*bytes = shorter;
}

static void inflict(struct bytes *bytes, enum damage damage)
{
	struct tg_image_header *header;

	switch (damage) {
	case ONE_BIT:
		flip_bits(bytes, 1);
		return;
	case SHORTER:
		cut(bytes, below(bytes->size));
		return;
	case NOISE:
		for (size_t i = 0; i < bytes->size; i++)
			bytes->at[i] = (unsigned char)draw();
		return;
	case SOME_BITS:
		flip_bits(bytes, 1 + below(8));
		break;
	case SOME_WORDS:
		write_words(bytes, 1 + below(4), bytes->size);
		break;
	case HEAD_WORDS:
		write_words(bytes, 1 + below(2), 10 * TG_ROW_BYTES);
		break;
	case SWAPPED_ROWS:
		swap_rows(bytes);
		break;
	default:
		cut(bytes, (1 + below(bytes->size / TG_ROW_BYTES)) * TG_ROW_BYTES);
		header = (struct tg_image_header *)bytes->at;
		header->rows = (uint32_t)(bytes->size / TG_ROW_BYTES);
	}
	tg_image_seal(bytes->at, bytes->size);
}

/* --- What an accepted image does to its readers ---------------------------------- */

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

/* Only the generation's bits may change without the checksum telling. */
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

	seed = state = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
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
	printf("seed %llu: %u corruptions: %u refused, %u harmless\n", (unsigned long long)seed,
	       corruptions, refused, harmless);
	return 0;
}
