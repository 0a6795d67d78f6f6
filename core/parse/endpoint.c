/* SPDX-License-Identifier: MIT */
/* endpoint.c - one endpoint as intervals: an address, prefix, range or name, with its ports. */
#include "parse/endpoint.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "parse/address.h"
#include "parse/item.h"
#include "parse/refuse_address.h"
#include "tidegate.h"

static struct tg_key128 low_key(uint32_t address)
{
	return (struct tg_key128){0, address};
}

/* Add a range; a range of v4-mapped addresses becomes IPv4. */
static void add_range(struct tg_endpoint *endpoint, bool v6, struct tg_key128 first,
		      struct tg_key128 last)
{
	if (v6 && tg_address_is_mapped(first) && tg_address_is_mapped(last)) {
		v6 = false;
		first.lo = (uint32_t)first.lo;
		last.lo = (uint32_t)last.lo;
	}
	endpoint->ranges[endpoint->count++] = (struct tg_address_range){v6, first, last};
}

static int set_port(const char *item, const char *text, struct tg_endpoint *endpoint)
{
	uint32_t first, last;
	int error = tg_port_parse(item, text, endpoint->numeric, &first, &last);

	if (error)
		return error;
	endpoint->has_port = true;
	endpoint->port_first = (uint16_t)first;
	endpoint->port_last = (uint16_t)last;
	return 0;
}

static const char *format_key(struct tg_key128 key, bool v6, char text[64])
{
	uint8_t bytes[16];

	if (!v6)
		key.lo |= TG_MAPPED_LO;
	tg_address_bytes(key, bytes);
	tg_addr_format(bytes, text, 64);
	return text;
}

/* A mask of the host bits: those that a prefix of `length` bits leaves open. */
static struct tg_key128 host_mask(unsigned int length, bool v6)
{
	struct tg_key128 mask = {0, 0};

	if (!v6)
		length += 96;
	if (length < 64)
		mask.hi = UINT64_MAX >> length;
	mask.lo = length < 64 ? UINT64_MAX : length < 128 ? UINT64_MAX >> (length - 64) : 0;
	return mask;
}

/* Read the number after the '/'. */
static int scan_length(const char *item, const char **text, bool v6, unsigned int *length)
{
	unsigned int max = v6 ? 128 : 32;
	int digits = (int)strspn(*text, TG_DIGITS);
	const char *start = *text;
	uint64_t number;

	if (*start == '-')
		return tg_fail(-EINVAL, "\"%s\": a prefix length is not negative", item);
	if (!digits)
		return tg_fail(-EINVAL, "\"%s\": no prefix length after the '/'", item);
	if (start[digits] == '.')
		return tg_refuse_mask(item, start);
	if (!tg_number_scan(text, max, &number))
		return tg_fail(-EINVAL, "\"%s\": prefix length %.*s is over %u", item, digits,
			       start, max);
	*length = (unsigned int)number;
	return 0;
}

static int scan_prefix(const char *item, const char **text, bool v6, struct tg_key128 first,
		       struct tg_endpoint *endpoint)
{
	struct tg_key128 mask, network;
	unsigned int length = 0;
	char net[64], host[64];
	int error = scan_length(item, text, v6, &length);

	if (error)
		return error;
	mask = host_mask(length, v6);
	network = (struct tg_key128){first.hi & ~mask.hi, first.lo & ~mask.lo};
	if (tg_key128_cmp(network, first) != 0)
		return tg_fail(
			-EINVAL,
			"\"%s\": has bits set below /%u: write %s/%u, or %s for the one address",
			item, length, format_key(network, v6, net), length,
			format_key(first, v6, host));
	add_range(endpoint, v6, first, (struct tg_key128){first.hi | mask.hi, first.lo | mask.lo});
	return 0;
}

static bool scan_address(const char **text, bool v6, struct tg_key128 *address)
{
	uint32_t v4;

	if (v6)
		return tg_address_scan6(text, address);
	if (!tg_address_scan4(text, &v4))
		return false;
	*address = low_key(v4);
	return true;
}

static int scan_range_end(const char *item, const char **text, bool v6, struct tg_key128 first,
			  struct tg_endpoint *endpoint)
{
	struct tg_key128 last, other;
	const char *s = *text;
	char low[64], high[64];

	if (!scan_address(text, v6, &last)) {
		if (scan_address(&s, !v6, &other))
			return tg_fail(-EINVAL, "\"%s\": a range from IPv%d to IPv%d", item,
				       v6 ? 6 : 4, v6 ? 4 : 6);
		return tg_fail(-EINVAL,
			       "\"%s\": the range ends in \"%s\", which is not an IPv%d address: "
			       "write both ends in full%s",
			       item, *text, v6 ? 6 : 4,
			       v6 ? ", and an IPv6 address with a port in brackets" : "");
	}
	if (**text == '-')
		return tg_fail(-EINVAL, "\"%s\": two ranges in one: write them as two items", item);
	if (**text == '/')
		return tg_fail(-EINVAL, "\"%s\": the end of a range cannot have a prefix length",
			       item);
	if (tg_key128_cmp(first, last) > 0)
		return tg_fail(-EINVAL, "\"%s\": the range is upside down: write %s-%s", item,
			       format_key(last, v6, low), format_key(first, v6, high));
	if (v6 && tg_address_is_mapped(first) != tg_address_is_mapped(last))
		return tg_fail(-EINVAL,
			       "\"%s\": one end is a v4-mapped address, which is IPv4: "
			       "write the IPv4 range as a separate item",
			       item);
	add_range(endpoint, v6, first, last);
	return 0;
}

/* Read what follows the address `first`: a prefix length, the end of a range, or nothing. */
static int scan_pattern(const char *item, const char **text, bool v6, struct tg_key128 first,
			struct tg_endpoint *endpoint)
{
	int error = 0;
	char kind = **text;

	endpoint->text_v6 = v6;
	if (kind == '/' || kind == '-')
		(*text)++;
	if (kind == '/')
		error = scan_prefix(item, text, v6, first, endpoint);
	else if (kind == '-')
		error = scan_range_end(item, text, v6, first, endpoint);
	else
		add_range(endpoint, v6, first, first);
	if (error)
		return error;
	if (kind == '/' && **text == '-')
		return tg_fail(-EINVAL, "\"%s\": a range cannot begin with a prefix", item);
	return 0;
}

static int parse_any(const char *item, const char *text, struct tg_endpoint *endpoint)
{
	endpoint->any_address = true;
	add_range(endpoint, false, low_key(0), low_key(UINT32_MAX));
	add_range(endpoint, true, low_key(0), (struct tg_key128){UINT64_MAX, UINT64_MAX});
	if (text[1] == ':')
		return set_port(item, text + 2, endpoint);
	if (text[1])
		return tg_fail(-EINVAL,
			       "\"%s\": '*' stands for a whole address: write \"*\" or \"*:443\"",
			       item);
	return 0;
}

/* `text` is what follows the address: '/', '-', ':' or nothing. */
static int parse_v4(const char *item, const char *text, uint32_t address,
		    struct tg_endpoint *endpoint)
{
	int error = scan_pattern(item, &text, false, low_key(address), endpoint);

	if (error || !*text)
		return error;
	if (*text == ':')
		return set_port(item, text + 1, endpoint);
	return tg_fail(-EINVAL, "\"%s\": \"%s\" at its end makes no sense", item, text);
}

static int parse_bracketed(const char *item, const char *text, struct tg_endpoint *endpoint)
{
	const char *inner = text + 1, *close = strchr(inner, ']');
	struct tg_key128 address;
	uint32_t v4;
	int error;

	if (!close)
		return tg_fail(-EINVAL, "\"%s\": a ']' is missing", item);
	if (!tg_address_scan6(&inner, &address)) {
		if (tg_address_scan4(&inner, &v4))
			return tg_fail(-EINVAL,
				       "\"%s\": brackets are for IPv6 addresses: write %.*s%s",
				       item, (int)(close - text - 1), text + 1, close + 1);
		return tg_fail(-EINVAL, "\"%s\": \"%.*s\" is not an IPv6 address", item,
			       (int)(close - text - 1), text + 1);
	}
	error = scan_pattern(item, &inner, true, address, endpoint);
	if (error)
		return error;
	if (*inner == '%')
		return tg_fail(-EINVAL, "\"%s\": leave out the zone: it is not part of the address",
			       item);
	if (inner != close)
		return tg_fail(-EINVAL, "\"%s\": \"%.*s\" is not an IPv6 address", item,
			       (int)(close - text - 1), text + 1);
	if (!close[1])
		return 0;
	if (close[1] == ':')
		return set_port(item, close + 2, endpoint);
	return tg_fail(-EINVAL, "\"%s\": \"%s\" after the ']': a port is written \":443\"", item,
		       close + 1);
}

static int parse_v6(const char *item, const char *text, struct tg_endpoint *endpoint)
{
	struct tg_key128 address;
	const char *s = text;
	int error;

	if (!tg_address_scan6(&s, &address))
		return tg_fail(-EINVAL,
			       "\"%s\": not an IPv6 address; one with a port is written "
			       "\"[2001:db8::1]:443\"",
			       item);
	error = scan_pattern(item, &s, true, address, endpoint);
	if (error || !*s)
		return error;
	if (*s == '%')
		return tg_fail(-EINVAL, "\"%s\": leave out the zone: it is not part of the address",
			       item);
	if (*s == ':')
		return tg_fail(-EINVAL,
			       "\"%s\": IPv6 with a port needs brackets: write \"[%.*s]%s\"", item,
			       (int)(s - text), text, s);
	if (*s == ']')
		return tg_fail(-EINVAL, "\"%s\": a '[' is missing", item);
	return tg_fail(-EINVAL, "\"%s\": \"%s\" at its end makes no sense", item, s);
}

/* Whether the resolver, which uses inet_aton(), would read a name such as "10.1" as an address. */
static bool is_numeric(const char *host)
{
	const char *label = strrchr(host, '.');

	label = label ? label + 1 : host;
	if (!strncasecmp(label, "0x", 2))
		return label[2 + strspn(label + 2, TG_HEX_DIGITS)] == '\0';
	return *label && label[strspn(label, TG_DIGITS)] == '\0';
}

static int resolve(const char *item, const char *host, struct tg_endpoint *endpoint)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found, *at;
	int reason = getaddrinfo(host, NULL, &hints, &found);

	if (reason)
		return tg_fail(-ENOENT, "\"%s\": host \"%s\": %s", item, host,
			       gai_strerror(reason));
	for (at = found; at && endpoint->count < TG_HOST_ADDRESSES; at = at->ai_next) {
		if (at->ai_family == AF_INET) {
			struct sockaddr_in *v4 = (void *)at->ai_addr;
			struct tg_key128 key = low_key(ntohl(v4->sin_addr.s_addr));

			add_range(endpoint, false, key, key);
		} else if (at->ai_family == AF_INET6) {
			struct sockaddr_in6 *v6 = (void *)at->ai_addr;
			struct tg_key128 key = {0, 0};

			for (int i = 0; i < 8; i++) {
				key.hi = key.hi << 8 | v6->sin6_addr.s6_addr[i];
				key.lo = key.lo << 8 | v6->sin6_addr.s6_addr[8 + i];
			}
			add_range(endpoint, true, key, key);
		}
	}
	freeaddrinfo(found);
	if (at)
		return tg_fail(-E2BIG, "\"%s\": host \"%s\" has more than %d addresses", item, host,
			       TG_HOST_ADDRESSES);
	endpoint->text_v6 = endpoint->count && endpoint->ranges[0].v6;
	return 0;
}

static int parse_name(const char *item, const char *text, struct tg_endpoint *endpoint)
{
	const char *colon = strchr(text, ':');
	char host[TG_ITEM_MAX + 1];
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	int error;

	memcpy(host, text, length);
	host[length] = '\0';
	if (strpbrk(host, " \t"))
		return tg_fail(-EINVAL,
			       "\"%s\": there is a space in it: leave it out, or write two items",
			       item);
	error = tg_refuse_short(item, host) ?: tg_refuse_sigil(item, host);
	if (error)
		return error;
	if (host[strspn(host, TG_DIGITS "./-")] == '\0')
		return tg_refuse_v4(item, host);
	if (strchr(host, '*'))
		return tg_fail(-EINVAL, "\"%s\": '*' stands for a whole address, not for a part",
			       item);
	if (strchr(host, ']'))
		return tg_fail(-EINVAL, "\"%s\": a '[' is missing", item);
	if (strchr(host, '/'))
		return tg_refuse_slash(item, host);
	if (strchr(host, ','))
		return tg_fail(-EINVAL,
			       "\"%s\": a ',' in it: write each endpoint as a separate item", item);
	if (is_numeric(host))
		return tg_fail(-EINVAL, "\"%s\": neither an address nor a name", item);
	/* Parse the port first, because asking the resolver may take a long time. */
	error = colon ? set_port(item, colon + 1, endpoint) : 0;
	if (!error && endpoint->numeric)
		error = tg_fail(-EINVAL, "\"%s\": names are not looked up here: write the address",
				item);
	return error ? error : resolve(item, host, endpoint);
}

static int parse(const char *item, bool numeric, struct tg_endpoint *endpoint)
{
	const char *text, *s;
	uint32_t address;
	int error = tg_item_start(item, &text, &endpoint->negated);

	if (error)
		return error;
	if (*text == '@')
		return tg_fail(
			-EINVAL,
			"\"%s\": a live set or a range stands only where a rule says what it "
			"matches: write an address here",
			item);
	if (!strncmp(text, "-@", 2))
		return tg_fail(-EINVAL, "\"%s\": write \"!%s\" to leave a live set out", item,
			       text + 1);
	endpoint->is_unix = tg_path_is(text);
	if (endpoint->is_unix) {
		endpoint->count = 0;
		return tg_path_parse(item, text, &endpoint->path);
	}
	error = tg_line_check(item);
	if (error)
		return error;
	endpoint->numeric = numeric;
	endpoint->any_address = false;
	endpoint->text_v6 = false;
	endpoint->has_port = false;
	endpoint->port_first = 0;
	endpoint->port_last = 65535;
	endpoint->count = 0;

	s = text;
	if (tg_address_scan4(&s, &address) && (!*s || *s == '/' || *s == '-' || *s == ':'))
		return parse_v4(item, s, address, endpoint);
	if (*text == '*')
		return parse_any(item, text, endpoint);
	if (*text == '[')
		return parse_bracketed(item, text, endpoint);
	if (*text == ':' && text[1] != ':')
		return tg_fail(-EINVAL, "\"%s\": no address before the ':': write \"%s*%s\"", item,
			       endpoint->negated ? "!" : "", text);
	if (strstr(text, "://"))
		return tg_fail(-EINVAL,
			       "\"%s\": a URL: write \"HOST:PORT\", and the protocol as a "
			       "condition: proto = \"%s\"",
			       item, strncmp(text, "udp:", 4) ? "tcp" : "udp");
	if (endpoint->negated && *text == '=')
		return tg_fail(-EINVAL, "\"%s\": '!' is enough: write \"!%s\"", item,
			       text + 1 + strspn(text + 1, " "));
	s = strchr(text, ':');
	if (s && strchr(s + 1, ':'))
		return parse_v6(item, text, endpoint);
	return parse_name(item, text, endpoint);
}

int tg_endpoint_parse(const char *item, struct tg_endpoint *endpoint)
{
	return parse(item, false, endpoint);
}

int tg_endpoint_parse_numeric(const char *item, struct tg_endpoint *endpoint)
{
	return parse(item, true, endpoint);
}

bool tg_endpoint_names_any(const struct tg_endpoint *endpoint, bool v6)
{
	for (unsigned int i = 0; i < endpoint->count; i++) {
		const struct tg_address_range *range = &endpoint->ranges[i];

		if (range->v6 == v6 && !range->last.hi && !range->last.lo)
			return true;
	}
	return false;
}
