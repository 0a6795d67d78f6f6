/* SPDX-License-Identifier: MIT */
/*
 * dump_products.c - lists of endpoints: what the terms of a rule ask of addresses and ports.
 *
 * A term is one product of the rule's endpoints, and one of its sources: all of the first, each
 * with all of the second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"
#include "dump/dump.h"
#include "dump/dump_items.h"
#include "dump/dump_pattern.h"
#include "image/image_directory.h"
#include "parse/unix_path.h"

struct part {
	enum tg_key addr4, addr6, port;
	uint32_t own; /* TG_SET_IS_OWN, for a socket's own address */
};

static const struct part endpoint = {TG_KEY_ADDR4, TG_KEY_ADDR6, TG_KEY_PORT, 0};
static const struct part source = {TG_KEY_SOURCE4, TG_KEY_SOURCE6, TG_KEY_SOURCE_PORT,
				   TG_SET_IS_OWN};

/* What one term asks of one part: addresses, ports and live sets. */
struct asked {
	struct tg_intervals addr4, addr6, port;
	bool all4, all6, all_ports;
	uint32_t in, out; /* bits: live sets of the section */
};

static const struct tg_section *section_of(const struct tg_dump *dump)
{
	return tg_image_section_at(dump->image->rows, dump->place);
}

/* The live sets of a section that are asked about this part of a call. */
static uint32_t sets_of(const struct tg_section *section, const struct part *part)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < section->sets; i++)
		if ((section->set[i] & TG_SET_IS_OWN) == part->own)
			bits |= 1u << i;
	return bits;
}

static int ask(struct tg_dump *dump, const struct part *part, uint32_t number, struct asked *asked)
{
	const struct tg_section *section = section_of(dump);
	const struct tg_term *term = tg_image_terms(dump->image->rows, section) + number;
	int error;

	*asked = (struct asked){0};
	error = tg_dump_values(dump, dump->place, number, part->addr4, &asked->addr4, &asked->all4);
	if (!error)
		error = tg_dump_values(dump, dump->place, number, part->addr6, &asked->addr6,
				       &asked->all6);
	if (!error)
		error = tg_dump_values(dump, dump->place, number, part->port, &asked->port,
				       &asked->all_ports);
	if (!error && term->effects & TG_EFFECT_LIVE) {
		const struct tg_term_rest *rest = tg_image_row(dump->image->rows, term->rest_row);

		asked->in = rest->in_sets & sets_of(section, part);
		asked->out = rest->out_sets & sets_of(section, part);
	}
	return error;
}

static bool asks_nothing(const struct asked *asked)
{
	return asked->all4 && asked->all6 && asked->all_ports && !asked->in && !asked->out;
}

static bool are_equal(const struct asked *a, const struct asked *b)
{
	return a->in == b->in && a->out == b->out && a->all4 == b->all4 && a->all6 == b->all6 &&
	       a->all_ports == b->all_ports && tg_intervals_equal(&a->addr4, &b->addr4) &&
	       tg_intervals_equal(&a->addr6, &b->addr6) && tg_intervals_equal(&a->port, &b->port);
}

/* --- Which term is which product -----------------------------------------------------------------
 */

/* Whether any term of the rule asks about sources; if none does, the rule does not name them. */
static int asks_sources(struct tg_dump *dump, bool *asks)
{
	const struct tg_dump_terms *terms = &dump->terms[dump->place];
	struct asked asked;
	int error = 0;

	*asks = false;
	for (uint32_t term = terms->first; term < terms->end && !*asks && !error; term++) {
		error = ask(dump, &source, term, &asked);
		*asks = !error && !asks_nothing(&asked);
	}
	return error;
}

/* How many terms in a row, from the first one on, ask the same of endpoints. */
static int count_alike(struct tg_dump *dump, uint32_t *count)
{
	const struct tg_dump_terms *terms = &dump->terms[dump->place];
	uint32_t term = terms->first + 1;
	struct asked first, other;
	int error = ask(dump, &endpoint, terms->first, &first);

	for (; !error && term < terms->end; term++) {
		error = ask(dump, &endpoint, term, &other);
		if (!error && !are_equal(&first, &other))
			break;
	}
	*count = term - terms->first;
	return error;
}

/* Whether the sources of the first `count` terms are the same again after `period` of them. */
static int sources_repeat(struct tg_dump *dump, uint32_t count, uint32_t period, bool *repeat)
{
	uint32_t first = dump->terms[dump->place].first;
	struct asked one, other;
	int error = 0;

	*repeat = true;
	for (uint32_t i = period; i < count && *repeat && !error; i++) {
		error = ask(dump, &source, first + i, &one);
		if (!error)
			error = ask(dump, &source, first + i - period, &other);
		*repeat = !error && are_equal(&one, &other);
	}
	return error;
}

/* An endpoint may be there twice, so the terms that are alike have the sources once or more. */
static int count_sources(struct tg_dump *dump)
{
	uint32_t count = 1, period = 0;
	bool repeat = false;
	int error;

	if (dump->sources)
		return 0;
	error = asks_sources(dump, &dump->asks_sources);
	if (!error && dump->asks_sources)
		error = count_alike(dump, &count);
	while (!error && !repeat)
		if (count % ++period == 0)
			error = sources_repeat(dump, count, period, &repeat);
	if (!error)
		dump->sources = period;
	return error;
}

/* How many products a part has, and how many terms there are from one to the next. */
static int count_products(struct tg_dump *dump, const struct part *part, uint32_t *count,
			  uint32_t *step)
{
	const struct tg_dump_terms *terms = &dump->terms[dump->place];
	int error;

	*count = 0;
	*step = 1;
	if (dump->place >= TG_OP_COUNT)
		return 0;
	error = count_sources(dump);
	if (error)
		return error;
	*step = part->own ? 1 : dump->sources;
	if (!part->own)
		*count = (terms->end - terms->first) / dump->sources;
	else if (dump->asks_sources)
		*count = dump->sources;
	return 0;
}

/* --- As texts
 * --------------------------------------------------------------------------------------- */

/* All values, as a set that needs no memory. */
static struct tg_intervals everything(enum tg_key key, struct tg_interval *all)
{
	*all = (struct tg_interval){{0, 0}, tg_key_max(key)};
	return (struct tg_intervals){all, 1, 1};
}

static int add_set(const struct tg_dump *dump, uint32_t number, bool negated)
{
	const void *rows = dump->image->rows;
	const struct tg_table_entry *entry = tg_image_table(rows, TG_SET_TABLE(number));
	const char *name = tg_image_table_name(rows, entry);
	char text[512];

	snprintf(text, sizeof(text), "%s@%s", negated ? "!" : "", name);
	return tg_dump_texts_add((struct tg_dump_texts *)&dump->items, text);
}

static int by_number(const void *a, const void *b)
{
	return TG_SET_TABLE(*(const uint16_t *)a) - TG_SET_TABLE(*(const uint16_t *)b);
}

/* In the order of their tables. */
static int add_sets(const struct tg_dump *dump, uint32_t bits, bool negated)
{
	uint16_t sets[TG_SECTION_SETS];
	uint32_t count = 0;
	int error = 0;

	for (uint32_t i = 0; i < TG_SECTION_SETS; i++)
		if (bits >> i & 1)
			sets[count++] = section_of(dump)->set[i];
	qsort(sets, count, sizeof(*sets), by_number);
	for (uint32_t i = 0; i < count && !error; i++)
		error = add_set(dump, sets[i], negated);
	return error;
}

/* The addresses of a term, and the live sets that it asks about. */
static int add_addresses(struct tg_dump *dump, const struct part *part, const struct asked *asked)
{
	bool egress = !part->own && TG_OPS_EGRESS >> dump->place & 1;
	struct tg_interval all4, all6;
	struct tg_intervals addr4 = asked->addr4, addr6 = asked->addr6;
	int error;

	if (asked->all4)
		addr4 = everything(TG_KEY_ADDR4, &all4);
	if (asked->all6)
		addr6 = everything(TG_KEY_ADDR6, &all6);
	if (asked->in) {
		error = add_sets(dump, asked->in, false);
		if (!error)
			error = tg_dump_addresses_except(&addr4, &addr6, egress, &dump->items);
	} else {
		error = tg_dump_addresses(&addr4, &addr6, egress, &dump->items);
	}
	return error ? error : add_sets(dump, asked->out, true);
}

static int give_term(struct tg_dump *dump, const struct part *part, uint32_t term,
		     struct tg_dump_product *product)
{
	struct asked asked;
	int error = ask(dump, part, term, &asked);

	if (error)
		return error;
	error = add_addresses(dump, part, &asked);
	if (!error && !asked.all_ports)
		error = tg_dump_items(TG_KEY_PORT, &asked.port, &dump->ports);
	if (!error)
		error = tg_dump_texts_give(&dump->items, &product->addrs);
	if (!error)
		error = tg_dump_texts_give(&dump->ports, &product->ports);
	return error ? error : 1;
}

/* --- Unix sockets
 * -------------------------------------------------------------------------------------- */

static void read_path(const struct tg_dump *dump, int place, uint32_t number, uint8_t *path)
{
	const struct tg_section *section = tg_image_section_at(dump->image->rows, place);
	const struct tg_path_key *key =
		tg_image_row(dump->image->rows, section->path_row + number * TG_PATH_ROWS);

	for (int word = 0; word < TG_PATH_WORDS; word++)
		for (int byte = 0; byte < 8; byte++)
			path[8 * word + byte] = (uint8_t)(key->word[word] >> (56 - 8 * byte));
}

/* From the ranks of an interval to its paths; a rank is the number of boundaries up to it. */
static void paths_of(const struct tg_dump *dump, int place, const struct tg_interval *ranks,
		     struct tg_dump_names *names)
{
	const struct tg_section *section = tg_image_section_at(dump->image->rows, place);
	struct tg_path behind;

	memcpy(names->first, tg_path_any.first.at, sizeof(names->first));
	memcpy(names->last, tg_path_any.last.at, sizeof(names->last));
	if (ranks->first.lo && ranks->first.lo <= section->paths)
		read_path(dump, place, (uint32_t)ranks->first.lo - 1, names->first);
	if (ranks->last.lo < section->paths) {
		read_path(dump, place, (uint32_t)ranks->last.lo, behind.at);
		tg_path_before(&behind);
		memcpy(names->last, behind.at, sizeof(names->last));
	}
}

_Static_assert(sizeof(struct tg_path) == TG_DUMP_NAME_BYTES, "a path is a name");

static int add_paths(struct tg_dump *dump, int place)
{
	static const struct tg_dump_name_kind kind = {TG_DUMP_NAME_BYTES, "unix:", true};
	struct tg_dump_names *names = NULL;
	struct tg_interval any;
	struct tg_intervals ranks;
	size_t capacity = 0;
	bool all;
	int error =
		tg_dump_values(dump, place, dump->terms[place].first, TG_KEY_PATH, &ranks, &all);

	if (!error && all)
		ranks = everything(TG_KEY_PATH, &any);
	if (!error)
		error = tg_array_reserve(names, capacity, ranks.count + 1, "paths");
	for (size_t i = 0; i < ranks.count && !error; i++)
		paths_of(dump, place, &ranks.at[i], &names[i]);
	if (!error)
		error = tg_dump_patterns(&kind, names, ranks.count, &dump->items);
	free(names);
	return error;
}

/* Give the paths of the rule, if it has some in any section. */
static int give_paths(struct tg_dump *dump, struct tg_dump_product *product)
{
	int place = TG_OP_COUNT, error;

	while (place < TG_PLACES && dump->terms[place].first == dump->terms[place].end)
		place++;
	if (place == TG_PLACES)
		return 0;
	error = add_paths(dump, place);
	if (!error)
		error = tg_dump_texts_give(&dump->items, &product->addrs);
	product->ports = (struct tg_dump_items){0};
	return error ? error : 1;
}

int tg_dump_product(struct tg_dump *dump, uint32_t field, uint32_t index,
		    struct tg_dump_product *product)
{
	const struct part *part = field == TG_FIELD_SOURCE ? &source : &endpoint;
	struct tg_dump_product own = {0};
	uint32_t count, step;
	int error = TG_REQUIRE(dump) ?: TG_REQUIRE(product);

	if (error || dump->place == TG_PLACES)
		return error;
	tg_dump_texts_clear(&dump->items);
	tg_dump_texts_clear(&dump->ports);
	error = count_products(dump, part, &count, &step);
	if (!error && index < count)
		error = give_term(dump, part, dump->terms[dump->place].first + index * step, &own);
	else if (!error && index == count && !part->own)
		error = give_paths(dump, &own);
	if (error > 0)
		*product = own;
	return error;
}
