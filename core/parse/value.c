/* SPDX-License-Identifier: MIT */
/*
 * value.c - items of fields that are one number or name: ports, users, commands …
 * Addresses: endpoint.c.
 */
#include "parse/value.h"

#include <errno.h>
#include <grp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/field.h"
#include "parse/item.h"
#include "system/exe.h"
#include "system/netns.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct {
	const char *name;
	uint32_t number;
} protos[] = {
	{"tcp", IPPROTO_TCP},         {"udp", IPPROTO_UDP},   {"icmp", IPPROTO_ICMP},
	{"icmpv6", IPPROTO_ICMPV6},   {"sctp", IPPROTO_SCTP}, {"mptcp", 262},
	{"udplite", IPPROTO_UDPLITE}, {"dccp", IPPROTO_DCCP}, {"raw", IPPROTO_RAW},
};

static const struct {
	const char *name;
	uint32_t number;
} types[] = {
	{"stream", SOCK_STREAM},
	{"dgram", SOCK_DGRAM},
	{"raw", SOCK_RAW},
	{"seqpacket", SOCK_SEQPACKET},
};

/* What is written elsewhere, and what to write here; in any case. */
static const char *const type_aliases[][2] = {
	{"stream", "stream"},
	{"sock_stream", "stream"},
	{"tcp", "stream"},
	{"dgram", "dgram"},
	{"sock_dgram", "dgram"},
	{"datagram", "dgram"},
	{"udp", "dgram"},
	{"raw", "raw"},
	{"sock_raw", "raw"},
	{"seqpacket", "seqpacket"},
	{"sock_seqpacket", "seqpacket"},
};

static const char *const family_aliases[][2] = {
	{"inet", "inet"},  {"af_inet", "inet"},   {"ipv4", "inet"},  {"ip4", "inet"},
	{"ip", "inet"},    {"v4", "inet"},        {"inet4", "inet"}, {"inet6", "inet6"},
	{"ipv6", "inet6"}, {"af_inet6", "inet6"}, {"ip6", "inet6"},  {"v6", "inet6"},
	{"unix", "unix"},  {"af_unix", "unix"},   {"local", "unix"}, {"af_local", "unix"},
};

const char *tg_proto_name(uint32_t number)
{
	for (size_t i = 0; i < COUNT(protos); i++)
		if (protos[i].number == number)
			return protos[i].name;
	return NULL;
}

const char *tg_type_name(uint32_t number)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (types[i].number == number)
			return types[i].name;
	return NULL;
}

static bool is_any(const char *name)
{
	return !strcasecmp(name, "any") || !strcasecmp(name, "all") || !strcasecmp(name, "ip");
}

static int find_proto(const char *item, const char *name, uint32_t *number)
{
	for (size_t i = 0; i < COUNT(protos); i++) {
		if (!strcmp(name, protos[i].name)) {
			*number = protos[i].number;
			return 0;
		}
	}
	for (size_t i = 0; i < COUNT(protos); i++)
		if (!strcasecmp(name, protos[i].name))
			return tg_fail(-EINVAL, "\"%s\": protocols are in lower case: write %s",
				       item, protos[i].name);
	if (is_any(name))
		return tg_fail(-EINVAL, "\"%s\": leave proto out: a rule is about all protocols",
			       item);
	if (!strcasecmp(name, "tcp4") || !strcasecmp(name, "tcp6") || !strcasecmp(name, "udp4") ||
	    !strcasecmp(name, "udp6"))
		return tg_fail(-EINVAL, "\"%s\": not a protocol: write %s, and family = \"%s\"",
			       item, *name == 't' || *name == 'T' ? "tcp" : "udp",
			       name[3] == '6' ? "inet6" : "inet");
	return tg_fail(-EINVAL,
		       "\"%s\": not a protocol: write tcp, udp, icmp, icmpv6, sctp, mptcp, "
		       "udplite, dccp, raw, or a number",
		       item);
}

static int find_type(const char *item, const char *name, uint32_t *number)
{
	for (size_t i = 0; i < COUNT(types); i++) {
		if (!strcmp(name, types[i].name)) {
			*number = types[i].number;
			return 0;
		}
	}
	for (size_t i = 0; i < COUNT(type_aliases); i++)
		if (!strcasecmp(name, type_aliases[i][0]))
			return tg_fail(-EINVAL, "\"%s\": not a socket type: write %s", item,
				       type_aliases[i][1]);
	return tg_fail(-EINVAL, "\"%s\": not a socket type: write stream, dgram, seqpacket or raw",
		       item);
}

static int find_device(const char *item, const char *name, uint32_t *number)
{
	*number = strcmp(name, "none") ? if_nametoindex(name) : 0;
	if (!*number && strcmp(name, "none"))
		return tg_fail(-ENOENT,
			       "\"%s\": there is no network device \"%s\" here: make it first, or "
			       "write its number",
			       item, name);
	return 0;
}

static int refuse_family(const char *item, const char *name)
{
	for (size_t i = 0; i < COUNT(family_aliases); i++)
		if (!strcasecmp(name, family_aliases[i][0]))
			return tg_fail(-EINVAL, "\"%s\": not a family: write %s", item,
				       family_aliases[i][1]);
	return tg_fail(-EINVAL,
		       "\"%s\": not a family: write inet (for IPv4), inet6 (for IPv6) or unix",
		       item);
}

static int find_family(const char *item, const char *name, uint32_t *number)
{
	if (!strcmp(name, "inet"))
		*number = AF_INET;
	else if (!strcmp(name, "inet6"))
		*number = AF_INET6;
	else if (!strcmp(name, "unix"))
		*number = AF_UNIX;
	else
		return refuse_family(item, name);
	return 0;
}

/* ERANGE: the buffer was too small, because a group may have many members. */
static int find_user_or_group(const char *item, const char *name, bool user, uint32_t *number)
{
	struct passwd password, *found_user = NULL;
	struct group group, *found_group = NULL;
	char *texts = NULL;
	int reason = ERANGE;

	for (size_t size = 4096; reason == ERANGE && size <= 4 << 20; size *= 4) {
		char *grown = realloc(texts, size);

		if (!grown) {
			reason = ENOMEM;
			break;
		}
		texts = grown;
		reason = user ? getpwnam_r(name, &password, texts, size, &found_user)
			      : getgrnam_r(name, &group, texts, size, &found_group);
	}
	if (found_user)
		*number = password.pw_uid;
	else if (found_group)
		*number = group.gr_gid;
	free(texts);
	if (found_user || found_group)
		return 0;
	return tg_fail(reason == ENOMEM ? -ENOMEM : -ENOENT,
		       "\"%s\": %s \"%s\" is not known on this machine", item,
		       user ? "user" : "group", name);
}

static int find_user(const char *item, const char *name, uint32_t *number)
{
	return find_user_or_group(item, name, true, number);
}

static int find_group(const char *item, const char *name, uint32_t *number)
{
	return find_user_or_group(item, name, false, number);
}

/* The fields of one number whose values also have names, or have names only. */
static int (*const find_name[TG_FIELD_COUNT])(const char *item, const char *name,
					      uint32_t *number) = {
	[TG_FIELD_PROTO] = find_proto, [TG_FIELD_FAMILY] = find_family,
	[TG_FIELD_TYPE] = find_type,   [TG_FIELD_DEVICE] = find_device,
	[TG_FIELD_UID] = find_user,    [TG_FIELD_GID] = find_group,
};

/* IPPROTO_MPTCP is larger than the field of an IP header, on purpose. */
static int check_proto(const char *item, uint32_t first, uint32_t last)
{
	if (last < 256 || (first == IPPROTO_MPTCP && last == IPPROTO_MPTCP))
		return 0;
	return tg_fail(
		-EINVAL,
		"\"%s\": protocol number %u is over 255; the only larger one is %d, of mptcp", item,
		last, IPPROTO_MPTCP);
}

static int parse_number_or_name(const struct tg_field_info *field, const char *item,
				const char *text, bool numeric, uint32_t *first, uint32_t *last)
{
	const char *what = field->number ? field->number : field->name;
	uint32_t max = field->bits == 16 ? UINT16_MAX : UINT32_MAX;
	int error;

	if (!strcmp(text, "*")) {
		*first = 0;
		*last = max;
		return 0;
	}
	if (field->number && strchr(TG_DIGITS, *text)) {
		uint32_t most = field->field == TG_FIELD_PROTO ? UINT32_MAX : max;

		error = tg_numbers_parse(item, text, what, most, field->hexadecimal, first, last);
		return error || field->field != TG_FIELD_PROTO ? error
							       : check_proto(item, *first, *last);
	}
	error = tg_word_check(item, text, what);
	if (error)
		return error;
	if (!find_name[field->field])
		return tg_fail(-EINVAL, "\"%s\": not a %s, such as %s", item, what,
			       field->hexadecimal ? "16, 0x10 or 0x10-0x1f" : "42 or 100-200");
	if (numeric && (field->field == TG_FIELD_UID || field->field == TG_FIELD_GID))
		return tg_fail(-EINVAL, "\"%s\": names are not looked up here: write the %s", item,
			       what);
	if (strpbrk(text, ",|"))
		return tg_fail(-EINVAL, "\"%s\": a '%c' in it: write each as a separate item", item,
			       *strpbrk(text, ",|"));
	error = find_name[field->field](item, text, first);
	if (!error)
		*last = *first;
	return error;
}

/* Sixteen bytes, as a big-endian number, so that a pattern such as "ngin*" is an interval. */
static struct tg_key128 comm_key(const char *text, size_t length, uint8_t padding)
{
	struct tg_key128 key = {0, 0};

	for (size_t i = 0; i < 16; i++) {
		uint64_t byte = i < length ? (uint8_t)text[i] : padding;

		if (i < 8)
			key.hi = key.hi << 8 | byte;
		else
			key.lo = key.lo << 8 | byte;
	}
	return key;
}

static int parse_comm(const char *item, const char *text, struct tg_value *value)
{
	size_t length = strlen(text);
	const char *star = strchr(text, '*');
	bool prefix = star && star == text + length - 1;

	if (*text == '/')
		return tg_fail(-EINVAL,
			       "\"%s\": is a path, and comm is the name of a thread: write exe",
			       item);
	if (star && !prefix)
		return tg_fail(-EINVAL, "\"%s\": '*' may only be at the end", item);
	if (prefix)
		length--;
	if (length > TG_COMM_CHARACTERS)
		return tg_fail(-EINVAL,
			       "\"%s\": the kernel cuts a command's name at %d characters: "
			       "write \"%.*s\"",
			       item, TG_COMM_CHARACTERS, TG_COMM_CHARACTERS, text);
	value->first = comm_key(text, length, 0);
	value->last = comm_key(text, length, prefix ? 0xff : 0);
	return 0;
}

static int parse_cgroup(const char *item, const char *text, struct tg_value *value)
{
	return tg_cgroup_chain_find(item, text, &value->cgroup);
}

static void set_everything(struct tg_value *value)
{
	value->first = (struct tg_key128){0, 0};
	value->last = (struct tg_key128){UINT64_MAX, UINT64_MAX};
}

static int parse_exe(const char *item, const char *text, struct tg_value *value)
{
	int error = 0;

	set_everything(value);
	if (strcmp(text, "*") != 0) {
		error = tg_exe_find(item, text, &value->first);
		value->last = value->first;
	}
	return error;
}

/* A cookie is the high half of a key, and the low half is open. */
static int parse_netns(const char *item, const char *text, struct tg_value *value)
{
	uint64_t cookie;
	int error = 0;

	set_everything(value);
	if (strcmp(text, "*") != 0) {
		error = tg_netns_find(item, text, &cookie);
		if (!error)
			value->first.hi = value->last.hi = cookie;
	}
	return error;
}

/* The fields of 128 bits. */
static int (*const parse_wide[TG_FIELD_COUNT])(const char *item, const char *text,
					       struct tg_value *value) = {
	[TG_FIELD_COMM] = parse_comm,
	[TG_FIELD_EXE] = parse_exe,
	[TG_FIELD_NETNS] = parse_netns,
	[TG_FIELD_CGROUP] = parse_cgroup,
};

int tg_value_parse(enum tg_field field, const char *item, bool numeric, struct tg_value *value)
{
	struct tg_value parsed = {0};
	uint32_t first = 0, last = 0;
	const char *text;
	int error = tg_item_start(item, &text, &parsed.negated);

	if (error)
		return error;
	if (parse_wide[field]) {
		error = parse_wide[field](item, text, &parsed);
	} else {
		error = tg_line_check(item);
		if (!error && field == TG_FIELD_PORT)
			error = tg_port_parse(item, text, numeric, &first, &last);
		else if (!error)
			error = parse_number_or_name(tg_field_info(field), item, text, numeric,
						     &first, &last);
		parsed.first.lo = first;
		parsed.last.lo = last;
	}
	/* Without this, a program would escape a rule for TCP by asking for MPTCP. */
	parsed.and_mptcp = field == TG_FIELD_PROTO && !strcmp(text, "tcp");
	if (!error)
		*value = parsed;
	return error;
}
