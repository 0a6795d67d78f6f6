/* SPDX-License-Identifier: MIT */
/* vip.h - the address of a service: "10.96.0.10:80/tcp". */
#ifndef TG_PARSE_VIP_H
#define TG_PARSE_VIP_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/layout/service_layout.h"
#include "parse/backend.h"
#include "tidegate.h"

/*
 * A VIP as tables have it.  An image has one, followed by its block of backends,
 * for each service that a table contains at first.
 */
struct tg_vip_key {
	uint64_t high, low; /* IPv4 is v4-mapped */
	uint32_t what;      /* TG_VIP_WHAT() */
	uint32_t reserved[11];
};

_Static_assert(sizeof(struct tg_vip_key) == TG_ROW_BYTES, "a row");

/*
 * Read "10.96.0.10:80/tcp"; with a star as the port it is any port, and "10.96.0.10" is any port
 * of any protocol.  Names of hosts and ports are an error.
 */
int tg_vip_parse(const char *text, struct tg_vip_key *vip);

/*
 * The VIP of a call's destination: `addr` in network order, `port` in host
 * order.  0.0.0.0 and :: become the loopback address that the kernel connects to.
 */
struct tg_vip_key tg_vip_asked(const uint8_t addr[16], uint32_t port, uint32_t proto);

/* -EINVAL: a backend is not of the VIP's family. */
int tg_vip_check(const struct tg_vip_key *vip, const struct tg_backends *backends);

/* Write a VIP as users see it to a struct that was checked; `info` may be NULL. */
int tg_vip_check_info(const struct tg_vip_info *info);
void tg_vip_show(const struct tg_vip_key *vip, uint32_t backends, struct tg_vip_info *info);

#endif
