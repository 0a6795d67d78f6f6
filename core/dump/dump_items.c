/* SPDX-License-Identifier: MIT */
/* dump_items.c - sets of values as the items of a list again. */
#include "dump/dump_items.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/field.h"
#include "dump/dump_pattern.h"
#include "parse/address.h"
#include "parse/value.h"

#define MPTCP 262 /* IPPROTO_MPTCP */

/* Cookies are written one by one: so many at most. */
#define MOST_SINGLE 65536u

static int cannot_say(const char *what)
{
	return tg_fail(-EOPNOTSUPP, "no items are these %s", what);
}

static int complement(enum tg_key key, const struct tg_intervals *set, struct tg_intervals *rest)
{
	struct tg_intervals all;
	int error = tg_intervals_all(&all, tg_key_max(key));

	if (error)
		return error;
	error = tg_intervals_subtract(rest, &all, set);
	tg_intervals_free(&all);
	return error;
}

/* --- Fields that are one number ------------------------------------------------------- */

static int add_number(uint64_t first, uint64_t last, bool negated, struct tg_dump_texts *texts)
{
	char text[64];

	if (first == last)
		snprintf(text, sizeof(text), "%s%llu", negated ? "!" : "",
			 (unsigned long long)first);
	else
		snprintf(text, sizeof(text), "%s%llu-%llu", negated ? "!" : "",
			 (unsigned long long)first, (unsigned long long)last);
	return tg_dump_texts_add(texts, text);
}

static int add_word(const char *word, bool negated, struct tg_dump_texts *texts)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%s", negated ? "!" : "", word);
	return tg_dump_texts_add(texts, text);
}

static const char *family_name(uint32_t number)
{
	return number == AF_INET    ? "inet"
	       : number == AF_INET6 ? "inet6"
	       : number == AF_UNIX  ? "unix"
				    : NULL;
}

/* Fields whose values have names, and no others. */
static int add_names(const struct tg_intervals *set, const char *(*name)(uint32_t number),
		     bool negated, struct tg_dump_texts *texts)
{
	int error = 0;

	for (size_t i = 0; i < set->count && !error; i++)
		for (uint64_t value = set->at[i].first.lo; value <= set->at[i].last.lo && !error;
		     value++) {
			const char *word = name((uint32_t)value);

			error = word ? add_word(word, negated, texts) : cannot_say("values");
		}
	return error;
}

/* "tcp" is MPTCP, too; as numbers they are two. */
static int add_protos(const struct tg_intervals *set, bool negated, struct tg_dump_texts *texts)
{
	bool tcp = tg_intervals_contains(set, (struct tg_key128){0, IPPROTO_TCP}) &&
		   tg_intervals_contains(set, (struct tg_key128){0, MPTCP});
	int error = tcp ? add_word("tcp", negated, texts) : 0;

	for (size_t i = 0; i < set->count && !error; i++) {
		uint64_t first = set->at[i].first.lo, last = set->at[i].last.lo;
		bool single = first == last;

		if (tcp && single && (first == IPPROTO_TCP || first == MPTCP))
			continue;
		if (single && first != IPPROTO_TCP && tg_proto_name((uint32_t)first))
			error = add_word(tg_proto_name((uint32_t)first), negated, texts);
		else if (last < 256)
			error = add_number(first, last, negated, texts);
		else
			error = cannot_say("protocols");
	}
	return error;
}

/* A cookie, or the number of a cgroup, is the high half of a key. */
static int add_cookies(const struct tg_intervals *set, bool negated, struct tg_dump_texts *texts)
{
	uint32_t count = 0;
	int error = 0;

	for (size_t i = 0; i < set->count && !error; i++) {
		uint64_t cookie = set->at[i].first.hi, last = set->at[i].last.hi;

		for (; !error; cookie++) {
			error = ++count > MOST_SINGLE ? cannot_say("numbers")
						      : add_number(cookie, cookie, negated, texts);
			if (cookie == last)
				break;
		}
	}
	return error;
}

/* Both halves of a key of 128 bits, as numbers: what nothing but another image can be compared
 * with. */
static int add_raw(const struct tg_intervals *set, bool negated, struct tg_dump_texts *texts)
{
	int error = 0;

	for (size_t i = 0; i < set->count && !error; i++) {
		const struct tg_interval *at = &set->at[i];
		char text[128];

		snprintf(text, sizeof(text), "%s%#llx:%#llx-%#llx:%#llx", negated ? "!" : "",
			 (unsigned long long)at->first.hi, (unsigned long long)at->first.lo,
			 (unsigned long long)at->last.hi, (unsigned long long)at->last.lo);
		error = tg_dump_texts_add(texts, text);
	}
	return error;
}

static int add_numbers(const struct tg_intervals *set, bool negated, struct tg_dump_texts *texts)
{
	int error = 0;

	for (size_t i = 0; i < set->count && !error; i++)
		error = add_number(set->at[i].first.lo, set->at[i].last.lo, negated, texts);
	return error;
}

static int add_set(enum tg_key key, const struct tg_intervals *set, bool negated,
		   struct tg_dump_texts *texts)
{
	switch (key) {
	case TG_KEY_PROTO:
		return add_protos(set, negated, texts);
	case TG_KEY_FAMILY:
		return add_names(set, family_name, negated, texts);
	case TG_KEY_TYPE:
		return add_names(set, tg_type_name, negated, texts);
	case TG_KEY_NETNS:
	case TG_KEY_CGROUP:
		return add_cookies(set, negated, texts);
	case TG_KEY_EXE:
		return add_raw(set, negated, texts);
	default:
		return add_numbers(set, negated, texts);
	}
}

/* What reaches up to the largest value is written as what is missing. */
static int add_numeric(enum tg_key key, const struct tg_intervals *set, struct tg_dump_texts *texts)
{
	struct tg_intervals rest = TG_INTERVALS_EMPTY;
	int error;

	if (!tg_intervals_contains(set, tg_key_max(key)))
		return add_set(key, set, false, texts);
	error = complement(key, set, &rest);
	if (!error)
		error = rest.count ? add_set(key, &rest, true, texts)
				   : tg_dump_texts_add(texts, "*");
	tg_intervals_free(&rest);
	return error;
}

/* --- Names of threads ------------------------------------------------------------------- */

static int add_comms(const struct tg_intervals *set, struct tg_dump_texts *texts)
{
	static const struct tg_dump_name_kind kind = {.bytes = 16, .prefix = ""};
	struct tg_dump_names *names = NULL;
	size_t capacity = 0;
	int error = tg_array_reserve(names, capacity, set->count + 1, "names");

	for (size_t i = 0; i < set->count && !error; i++) {
		tg_address_bytes(set->at[i].first, names[i].first);
		tg_address_bytes(set->at[i].last, names[i].last);
	}
	if (!error)
		error = tg_dump_patterns(&kind, names, set->count, texts);
	free(names);
	return error;
}

int tg_dump_items(enum tg_key key, const struct tg_intervals *set, struct tg_dump_texts *texts)
{
	if (key == TG_KEY_COMM)
		return add_comms(set, texts);
	return add_numeric(key, set, texts);
}

/* --- Addresses ---------------------------------------------------------------------------- */

static void format(struct tg_key128 address, bool v6, char text[64])
{
	uint8_t bytes[16];

	if (!v6)
		address.lo |= TG_MAPPED_LO;
	tg_address_bytes(address, bytes);
	inet_ntop(v6 ? AF_INET6 : AF_INET, v6 ? bytes : bytes + 12, text, 64);
}

/* The length of the prefix that an interval is; -1: it is none. */
static int prefix_length(const struct tg_interval *interval, bool v6)
{
	struct tg_key128 differ = {interval->first.hi ^ interval->last.hi,
				   interval->first.lo ^ interval->last.lo};
	int bits = differ.hi   ? 128 - __builtin_clzll(differ.hi)
		   : differ.lo ? 64 - __builtin_clzll(differ.lo)
			       : 0;
	uint64_t hi = bits > 64 ? ~0ull >> (128 - bits) : 0;
	uint64_t lo = bits >= 64 ? ~0ull : (1ull << bits) - 1;

	if (differ.hi != hi || differ.lo != lo || interval->first.hi & hi ||
	    interval->first.lo & lo)
		return -1;
	return (v6 ? 128 : 32) - bits;
}

/* Whether no item can say a range of IPv6: it begins or ends among the v4-mapped addresses. */
static bool cuts_mapped(const struct tg_interval *interval)
{
	if (tg_address_is_mapped(interval->first))
		return true;
	return tg_address_is_mapped(interval->last) && prefix_length(interval, true) < 0;
}

static int write_range(const struct tg_interval *interval, bool v6, bool negated,
		       struct tg_dump_texts *texts)
{
	int length = prefix_length(interval, v6);
	char first[64], last[64], text[160];

	format(interval->first, v6, first);
	format(interval->last, v6, last);
	if (length == (v6 ? 128 : 32))
		snprintf(text, sizeof(text), "%s%s", negated ? "!" : "", first);
	else if (length >= 0)
		snprintf(text, sizeof(text), "%s%s/%d", negated ? "!" : "", first, length);
	else
		snprintf(text, sizeof(text), "%s%s-%s", negated ? "!" : "", first, last);
	return tg_dump_texts_add(texts, text);
}

/* The largest prefix that begins at an address and ends by another. */
static struct tg_interval largest_prefix(struct tg_key128 first, struct tg_key128 last)
{
	struct tg_interval prefix = {first, first};

	for (int bits = 1; bits <= 128; bits++) {
		struct tg_interval wider = {first, prefix.last};

		if (bits <= 64)
			wider.last.lo |= 1ull << (bits - 1);
		else
			wider.last.hi |= 1ull << (bits - 65);
		if (prefix_length(&wider, true) < 0 || tg_key128_cmp(wider.last, last) > 0)
			break;
		prefix = wider;
	}
	return prefix;
}

/* A range that no item can say, as prefixes; v4-mapped addresses are looked up elsewhere. */
static int add_prefixes(const struct tg_interval *range, bool negated, struct tg_dump_texts *texts)
{
	struct tg_key128 first = range->first;
	int error = 0;

	while (!error) {
		struct tg_interval prefix = largest_prefix(first, range->last);

		if (!tg_address_is_mapped(prefix.first) || !tg_address_is_mapped(prefix.last))
			error = write_range(&prefix, true, negated, texts);
		if (tg_key128_cmp(prefix.last, range->last) >= 0)
			break;
		first = prefix.last;
		first.hi += ++first.lo == 0;
	}
	return error;
}

static int add_range(const struct tg_interval *range, bool v6, bool negated,
		     struct tg_dump_texts *texts)
{
	if (v6 && cuts_mapped(range))
		return add_prefixes(range, negated, texts);
	return write_range(range, v6, negated, texts);
}

/* Whether a range is 0.0.0.0 or :: alone. */
static bool is_zero(const struct tg_interval *interval)
{
	return !interval->last.hi && !interval->last.lo;
}

/* No item of egress may be 0 alone, and none needs to be: it has the class of the loopback. */
static int add_except(enum tg_key key, const struct tg_intervals *set, bool egress,
		      struct tg_dump_texts *texts)
{
	bool v6 = TG_KEYS_128 >> key & 1;
	struct tg_intervals rest = TG_INTERVALS_EMPTY;
	int error = complement(key, set, &rest);

	for (size_t i = 0; i < rest.count && !error; i++)
		if (!egress || !is_zero(&rest.at[i]))
			error = add_range(&rest.at[i], v6, true, texts);
	tg_intervals_free(&rest);
	return error;
}

/*
 * Whether a set is better said as everything except what is missing, which may have no more ends
 * among the v4-mapped addresses.  But no item of egress can say that 0 alone is missing.
 */
static bool needs_except(const struct tg_intervals *set, bool v6, bool egress)
{
	bool cut = false;

	for (size_t i = 0; i < set->count && v6; i++)
		cut |= cuts_mapped(&set->at[i]);
	if (egress && set->count == 1 && is_zero(&set->at[0]))
		return true;
	return cut && (!egress || set->at[0].first.hi || set->at[0].first.lo != 1);
}

/* No item of egress can be 0 alone: it is said together with the next range, without the gap. */
static int add_from_zero(const struct tg_intervals *set, bool v6, struct tg_dump_texts *texts)
{
	struct tg_interval both = {set->at[0].first, set->at[1].last};
	struct tg_interval gap = {{0, 1}, set->at[1].first};
	int error = add_range(&both, v6, false, texts);

	gap.last.hi -= gap.last.lo-- == 0;
	return error ? error : add_range(&gap, v6, true, texts);
}

static int add_family(enum tg_key key, const struct tg_intervals *set, bool egress,
		      struct tg_dump_texts *texts)
{
	bool v6 = TG_KEYS_128 >> key & 1;
	size_t i = 0;
	int error = 0;

	if (needs_except(set, v6, egress)) {
		error = tg_dump_texts_add(texts, v6 ? "::/0" : "0.0.0.0/0");
		return error ? error : add_except(key, set, egress, texts);
	}
	if (egress && set->count > 1 && is_zero(&set->at[0])) {
		error = add_from_zero(set, v6, texts);
		i = 2;
	}
	for (; i < set->count && !error; i++)
		error = add_range(&set->at[i], v6, false, texts);
	return error;
}

int tg_dump_addresses(const struct tg_intervals *addr4, const struct tg_intervals *addr6,
		      bool egress, struct tg_dump_texts *texts)
{
	int error;

	if (tg_intervals_is_all(addr4, tg_key_max(TG_KEY_ADDR4)) &&
	    tg_intervals_is_all(addr6, tg_key_max(TG_KEY_ADDR6)))
		return tg_dump_texts_add(texts, "*");
	error = add_family(TG_KEY_ADDR4, addr4, egress, texts);
	return error ? error : add_family(TG_KEY_ADDR6, addr6, egress, texts);
}

int tg_dump_addresses_except(const struct tg_intervals *addr4, const struct tg_intervals *addr6,
			     bool egress, struct tg_dump_texts *texts)
{
	int error = add_except(TG_KEY_ADDR4, addr4, egress, texts);

	return error ? error : add_except(TG_KEY_ADDR6, addr6, egress, texts);
}
