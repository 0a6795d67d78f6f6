/* SPDX-License-Identifier: MIT */
/*
 * lint_loop.c - rewrites that send calls round in a loop.
 *
 * The kernel does not look again at a call that it has turned.  But what
 * listens at the target may run under the same policy: it connects on, is
 * turned itself, and at last is sent back to where it listens.
 */
#include "lint.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/path.h"
#include "error.h"

#define MOST_STEPS 8

struct path {
	uint32_t term[MOST_STEPS];
	uint32_t steps;
};

static bool is_mapped(const uint32_t addr_be[4])
{
	return !addr_be[0] && !addr_be[1] && addr_be[2] == htonl(0xffff);
}

static uint64_t be64(const uint32_t *words_be)
{
	return (uint64_t)ntohl(words_be[0]) << 32 | ntohl(words_be[1]);
}

/* Where a rewrite of unix sockets leads. */
static const struct tg_unix_path *target_path(const struct tg_lint *lint,
					      const struct tg_reading *reading,
					      const struct tg_term *term)
{
	uint32_t row = tg_image_section_row(lint->image->rows, reading->place);

	return tg_path_target(&reading->view, row, term);
}

/* The class of a term's target in one of the fields that it sets. */
static int target_class(const struct tg_lint *lint, const struct tg_reading *reading,
			const struct tg_term *term, enum tg_key key)
{
	uint32_t row = tg_image_section_row(lint->image->rows, reading->place);
	const struct tg_unix_path *path;
	int rank;
	struct tg_keys keys = {
		.addr4 = ntohl(term->to_addr_be[3]),
		.addr6 = {be64(term->to_addr_be), be64(term->to_addr_be + 2)},
		.port = ntohs(term->to_port_be),
	};

	if (key == TG_KEY_PATH) {
		path = target_path(lint, reading, term);
		rank = path ? tg_path_rank(&reading->view, row, path->words_be) : -EFAULT;
		if (rank < 0)
			return rank;
		keys.path = (uint32_t)rank;
	}
	return tg_classify(&reading->view, reading->section, &keys, key);
}

static int restrict_to_target(const struct tg_lint *lint, const struct tg_reading *reading,
			      const struct tg_term *term, enum tg_key key, struct tg_box *box)
{
	int class;

	if (!(box->keys >> key & 1))
		return 0;
	class = target_class(lint, reading, term, key);
	if (class < 0)
		return tg_fail(-EINVAL, "damaged image: a reference leads outside it");
	return tg_box_restrict(box, key, (uint32_t) class);
}

/* The calls of a box as a rewrite leaves them. */
static int turn_box(const struct tg_lint *lint, const struct tg_reading *reading,
		    const struct tg_term *term, const struct tg_world **world,
		    const struct tg_box *from, struct tg_box *box)
{
	bool turns_addr = term->effects & TG_EFFECT_TO_ADDR;
	bool turns_port = term->effects & TG_EFFECT_TO_PORT;
	struct tg_box kept = *from; /* borrows the lists */
	int error;

	if (turns_addr && reading->place < TG_OPS)
		*world = &tg_worlds(reading->place)[is_mapped(term->to_addr_be) ? 0 : 1];
	error = tg_box_of_world(reading, *world, box);
	if (error)
		return error;
	if (turns_addr)
		kept.keys &= ~(1u << TG_KEY_ADDR4 | 1u << TG_KEY_ADDR6 | 1u << TG_KEY_PATH);
	if (turns_port)
		kept.keys &= ~(1u << TG_KEY_PORT);
	error = tg_box_intersect(box, &kept);
	if (!error && turns_addr)
		error = restrict_to_target(lint, reading, term, (*world)->address, box);
	if (!error && turns_port)
		error = restrict_to_target(lint, reading, term, TG_KEY_PORT, box);
	if (error)
		tg_box_free(box);
	return error;
}

static int follow(struct tg_lint *lint, const struct tg_reading *reading,
		  const struct tg_world *world, const struct tg_box *from, struct path *path);

/* Go on by one rewrite: 1 where that leads back to the first. */
static int follow_term(struct tg_lint *lint, const struct tg_reading *reading,
		       const struct tg_world *world, const struct tg_box *box, uint32_t term,
		       struct path *path)
{
	uint32_t first = reading->terms[path->term[0]].rule;
	struct tg_cover cover;
	struct tg_box part;
	int result = tg_box_of_term(reading, world, term, &part);

	if (result)
		return result;
	result = tg_box_intersect(&part, box);
	if (!result)
		result = tg_cover_ask(&lint->work, reading, &part, term, &cover);
	if (result || cover.answer != TG_COVER_PART)
		goto out;
	if (reading->terms[term].rule == first) {
		result = 1;
	} else if (reading->terms[term].rule > first && path->steps < MOST_STEPS) {
		path->term[path->steps++] = term;
		result = follow(lint, reading, world, &part, path);
		path->steps -= !result;
	}
out:
	tg_box_free(&part);
	return result;
}

/* Turn the calls of a box by the path's last rewrite, and look who turns them next. */
static int follow(struct tg_lint *lint, const struct tg_reading *reading,
		  const struct tg_world *world, const struct tg_box *from, struct path *path)
{
	const struct tg_term *terms = reading->terms;
	uint64_t *touching = calloc(reading->words, sizeof(*touching));
	struct tg_box box;
	int result;

	if (!touching)
		return tg_fail(-ENOMEM, "out of memory: no room to follow a rewrite");
	result = turn_box(lint, reading, &terms[path->term[path->steps - 1]], &world, from, &box);
	if (result) {
		free(touching);
		return result;
	}
	if (!tg_box_is_empty(&box, ~0u))
		result = tg_cover_touching(&lint->work, reading, &box, reading->section->terms,
					   touching);
	for (uint32_t i = 0; i < reading->words && !result; i++) {
		for (uint64_t word = touching[i]; word && !result; word &= word - 1) {
			uint32_t term = i * 64 + (uint32_t)__builtin_ctzll(word);

			if (terms[term].verb == TG_VERB_REWRITE)
				result = follow_term(lint, reading, world, &box, term, path);
		}
	}
	tg_box_free(&box);
	free(touching);
	return result;
}

/* "unix:/run/x.sock", "unix:@name" */
static void write_path(const struct tg_unix_path *path, FILE *stream)
{
	bool abstract = path && !path->at[0];

	fputs(abstract ? "unix:@" : "unix:", stream);
	if (path)
		fwrite(path->at + abstract, 1, (size_t)path->bytes - abstract, stream);
}

/* "127.0.0.1:80", "[::1]:80", "127.0.0.1", "port 80" */
static void write_target(const struct tg_lint *lint, const struct tg_reading *reading,
			 const struct tg_term *term, FILE *stream)
{
	bool has_port = term->effects & TG_EFFECT_TO_PORT;
	char address[64];

	if (reading->place >= TG_OPS) {
		write_path(target_path(lint, reading, term), stream);
		return;
	}
	if (!(term->effects & TG_EFFECT_TO_ADDR)) {
		fprintf(stream, "port %u", ntohs(term->to_port_be));
		return;
	}
	tg_addr_format((const uint8_t *)term->to_addr_be, address, sizeof(address));
	if (has_port && strchr(address, ':'))
		fprintf(stream, "[%s]:%u", address, ntohs(term->to_port_be));
	else if (has_port)
		fprintf(stream, "%s:%u", address, ntohs(term->to_port_be));
	else
		fputs(address, stream);
}

static int report(struct tg_lint *lint, const struct tg_lint_rule *rule,
		  const struct tg_reading *reading, const struct path *path)
{
	bool connects = reading->place % TG_OPS == TG_OP_CONNECT;
	struct tg_lint_text text;
	int error = tg_lint_begin(rule, &text);

	if (error)
		return error;
	fputs("its target ", text.stream);
	write_target(lint, reading, &reading->terms[path->term[0]], text.stream);
	for (uint32_t i = 1; i < path->steps; i++) {
		const struct tg_term *term = &reading->terms[path->term[i]];

		fputs(i > 1 ? ", by " : " is sent on by ", text.stream);
		tg_lint_name(lint, term->rule, text.stream);
		fputs(" to ", text.stream);
		write_target(lint, reading, term, text.stream);
	}
	fprintf(text.stream,
		"%s matches it again: what listens there, if the policy holds for it, too, is sent "
		"round in a loop when it %s on; let its own calls through before, as in "
		"allow { %s = \"%s\", uid = \"proxy\" }",
		path->steps > 1 ? ", which" : "", connects ? "connects" : "sends",
		connects ? "connect" : "sendmsg", reading->place < TG_OPS ? "*" : "unix:*");
	return tg_lint_end(lint, rule, TG_FINDING_LOOP, &text);
}

/* 1: a loop was found and told. */
static int check_term(struct tg_lint *lint, const struct tg_lint_rule *rule, int place,
		      uint32_t term)
{
	const struct tg_reading *reading = &lint->reading[place];
	const struct tg_world *worlds = tg_worlds(place);
	int result = 0;

	for (int i = 0; i < tg_world_count(place) && !result; i++) {
		struct path path = {.term = {term}, .steps = 1};
		struct tg_box box;

		result = tg_box_of_term(reading, &worlds[i], term, &box);
		if (result)
			break;
		if (!tg_box_is_empty(&box, ~0u))
			result = follow(lint, reading, &worlds[i], &box, &path);
		tg_box_free(&box);
		if (result == 1)
			result = report(lint, rule, reading, &path) ?: 1;
	}
	return result == -E2BIG ? 0 : result;
}

int tg_lint_loop(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	static const int places[] = {TG_OP_CONNECT, TG_OP_SENDMSG, TG_OPS + TG_OP_CONNECT,
				     TG_OPS + TG_OP_SENDMSG};
	int result = 0;

	if (rule->info.verb != TG_VERB_REWRITE)
		return 0;
	for (int i = 0; i < 4 && !result; i++)
		for (uint32_t term = rule->first[places[i]]; term < rule->end[places[i]] && !result;
		     term++)
			result = check_term(lint, rule, places[i], term);
	return result < 0 ? result : 0;
}
