/* SPDX-License-Identifier: MIT */
/* vip.c - the address of a service: "10.96.0.10:80/tcp". */
#include "parse/vip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/error.h"
#include "parse/address.h"
#include "parse/endpoint.h"

static int not_a_vip(const char *text)
{
	return tg_fail(-EINVAL,
		       "\"%s\": a service is an address, a port and tcp or udp, such as "
		       "\"10.96.0.10:80/tcp\" or \"[2001:db8::1]:53/udp\"",
		       text);
}

static int parse_address(const char *text, const char *end, struct tg_vip_key *vip)
{
	const struct tg_address_range *range;
	struct tg_endpoint endpoint;
	char address[512];

	if ((size_t)(end - text) >= sizeof(address))
		return not_a_vip(text);
	memcpy(address, text, (size_t)(end - text));
	address[end - text] = 0;
	if (tg_endpoint_parse(address, &endpoint))
		return tg_fail(-EINVAL, "%s", tg_error());
	range = &endpoint.ranges[0];
	if (endpoint.is_unix || endpoint.negated || endpoint.any_address || !endpoint.has_port ||
	    endpoint.port_first != endpoint.port_last || !endpoint.port_first ||
	    tg_key128_cmp(range->first, range->last) != 0)
		return not_a_vip(text);
	if (tg_endpoint_names_any(&endpoint, range->v6))
		return tg_fail(-EINVAL, "\"%s\": the kernel connects to %s instead: write that",
			       text, range->v6 ? "::1" : "127.0.0.1");
	vip->high = range->first.hi;
	vip->low = tg_range_address(range, range->first).lo;
	vip->what = (uint32_t)endpoint.port_first << 16;
	return 0;
}

int tg_vip_parse(const char *text, struct tg_vip_key *vip)
{
	const char *slash = strrchr(text, '/');
	struct tg_vip_key parsed = {0};
	int error;

	if (!slash || (strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0))
		return not_a_vip(text);
	error = parse_address(text, slash, &parsed);
	if (error)
		return error;
	parsed.what |= strcmp(slash, "/tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
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

void tg_vip_show(const struct tg_vip_key *vip, uint32_t backends, struct tg_vip_info *info)
{
	*info = (struct tg_vip_info){
		.port = vip->what >> 16,
		.proto = vip->what & 0xffff,
		.backends = backends,
	};
	tg_address_bytes((struct tg_key128){vip->high, vip->low}, info->addr);
}
