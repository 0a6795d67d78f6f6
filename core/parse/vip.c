/* SPDX-License-Identifier: MIT */
/* vip.c - the address of a service: "10.96.0.10:80/tcp", or, for any port, "10.96.0.10". */
#include "parse/vip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "parse/address.h"
#include "parse/endpoint.h"

static int not_a_vip(const char *text)
{
	return tg_fail(-EINVAL,
		       "\"%s\": a service is an address, a port and tcp or udp, such as "
		       "\"10.96.0.10:80/tcp\" or \"[2001:db8::1]:53/udp\"; \"10.96.0.10:*/tcp\" "
		       "is any port, \"10.96.0.10\" any port and protocol",
		       text);
}

/* Read what is before `end`; without a port, what->port is 0. */
static int parse_address(const char *text, const char *end, struct tg_vip_key *vip)
{
	size_t length = (size_t)(end - text);
	const struct tg_address_range *range;
	struct tg_endpoint endpoint;
	bool any_port, has_port;
	char address[512];

	if (length >= sizeof(address))
		return not_a_vip(text);
	memcpy(address, text, length);
	address[length] = 0;
	if (tg_endpoint_parse_numeric(address, &endpoint))
		return tg_fail(-EINVAL, "%s", tg_error());
	range = &endpoint.ranges[0];
	if (endpoint.is_unix || endpoint.negated || endpoint.any_address || endpoint.count != 1 ||
	    tg_key128_cmp(range->first, range->last) != 0)
		return not_a_vip(text);
	any_port = length > 2 && !strcmp(address + length - 2, ":*");
	has_port = any_port || (endpoint.has_port && endpoint.port_first &&
				endpoint.port_first == endpoint.port_last);
	if (has_port != (*end == '/') || (endpoint.has_port && !has_port))
		return not_a_vip(text);
	if (tg_endpoint_names_any(&endpoint, range->v6))
		return tg_fail(-EINVAL, "\"%s\": the kernel connects to %s instead: write that",
			       text, range->v6 ? "::1" : "127.0.0.1");
	vip->high = range->first.hi;
	vip->low = tg_range_address(range, range->first).lo;
	vip->what = any_port ? 0 : TG_VIP_WHAT(endpoint.port_first, 0);
	return 0;
}

int tg_vip_parse(const char *text, struct tg_vip_key *vip)
{
	const char *slash = strrchr(text, '/');
	struct tg_vip_key parsed = {0};
	int error;

	if (slash && strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0)
		return not_a_vip(text);
	error = parse_address(text, slash ? slash : text + strlen(text), &parsed);
	if (error)
		return error;
	if (slash)
		parsed.what |= strcmp(slash, "/tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	else
		parsed.what = TG_VIP_ANY;
	*vip = parsed;
	return 0;
}

struct tg_vip_key tg_vip_asked(const uint8_t addr[16], uint32_t port, uint32_t proto)
{
	struct tg_vip_key vip = {
		tg_be64(addr), tg_be64(addr + 8), TG_VIP_WHAT(port, TG_VIP_PROTO(proto)), {0}};

	vip.low |= !vip.high && !vip.low;
	if (!vip.high && vip.low == TG_MAPPED_LO)
		vip.low |= INADDR_LOOPBACK;
	return vip;
}

int tg_vip_check(const struct tg_vip_key *vip, const struct tg_backends *backends)
{
	for (uint32_t i = 0; i < backends->count; i++) {
		bool v4 = tg_bytes_are_mapped(backends->at[i].addr_be);

		if (v4 != tg_address_is_mapped((struct tg_key128){vip->high, vip->low}))
			return tg_fail(-EINVAL,
				       "backend %u is IPv%d, but the service is IPv%d: they must "
				       "be of one family",
				       i + 1, v4 ? 4 : 6, v4 ? 6 : 4);
	}
	return 0;
}

static const struct tg_struct_kind info_kind = {
	"tg_vip_info", TG_STRUCT_FIRST(tg_vip_info, reserved), sizeof(struct tg_vip_info)};

int tg_vip_check_info(const struct tg_vip_info *info)
{
	return info ? tg_struct_check(&info_kind, info) : 0;
}

void tg_vip_show(const struct tg_vip_key *vip, uint32_t backends, struct tg_vip_info *info)
{
	struct tg_vip_info own = {
		.port = TG_VIP_PORT(vip->what),
		.proto = vip->what == TG_VIP_ANY ? 0 : vip->what & 0xffff,
		.backends = backends,
	};

	tg_address_bytes((struct tg_key128){vip->high, vip->low}, own.addr);
	if (info)
		tg_struct_give(&info_kind, info, &own);
}

static const char *proto_text(uint32_t proto)
{
	return proto == IPPROTO_TCP ? "/tcp" : proto == IPPROTO_UDP ? "/udp" : proto ? NULL : "";
}

int tg_vip_format(const struct tg_vip_info *vip, char *text, size_t size)
{
	char address[TG_ADDR_TEXT], port[8] = "*";
	int error = TG_REQUIRE(vip) ?: TG_REQUIRE(text) ?: tg_vip_check_info(vip);
	const char *proto;

	if (error)
		return error;
	if (size < TG_VIP_TEXT)
		return tg_fail(-ENOSPC, "the text of a VIP needs room for %d bytes", TG_VIP_TEXT);
	proto = proto_text(vip->proto);
	if (vip->port > 65535)
		return tg_fail(-EINVAL, "port %u is over 65535", vip->port);
	if (!proto || (!*proto && vip->port))
		return tg_fail(-EINVAL, "protocol %u: a VIP with a port is tcp or udp", vip->proto);
	tg_addr_format(vip->addr, address, sizeof(address));
	if (vip->port)
		snprintf(port, sizeof(port), "%u", (uint16_t)vip->port);
	if (!*proto)
		snprintf(text, size, "%s", address);
	else
		snprintf(text, size, strchr(address, ':') ? "[%s]:%s%s" : "%s:%s%s", address, port,
			 proto);
	return 0;
}
