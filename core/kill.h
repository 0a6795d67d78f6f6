/* SPDX-License-Identifier: MIT */
/* kill.h - ending sockets that a gate has connected to backends. */
#ifndef TG_KILL_H
#define TG_KILL_H

#include <stdbool.h>

#include "service.h"
#include "turned.h"

/* Whether a socket is one of those to end. */
typedef bool (*tg_kill_wants)(const struct tg_turned *socket, const void *what);

/* Whether this process can, before anything is changed: -EPERM. */
int tg_kill_prepare(struct tg_gate *gate);

/* End those that are wanted, in every network namespace; *ended: how many. */
int tg_kill(const struct tg_gate *gate, tg_kill_wants wants, const void *what, uint32_t *ended);

/* The same of those that have asked for a VIP, and are at one of these backends. */
int tg_kill_service(const struct tg_gate *gate, const struct tg_vip_key *vip,
		    const struct tg_backends *backends, uint32_t *ended);

#endif
