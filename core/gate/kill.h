/* SPDX-License-Identifier: MIT */
/* kill.h - ending sockets that a gate has connected to backends. */
#ifndef TG_GATE_KILL_H
#define TG_GATE_KILL_H

#include "table/service.h"
#include "gate/redirected.h"

/* Whether this process can, before anything is changed: -EPERM. */
int tg_kill_prepare(struct tg_gate *gate);

/*
 * End those that have asked for a VIP, and are at one of these backends, in
 * every network namespace; *ended: how many.
 */
int tg_kill_service(const struct tg_gate *gate, const struct tg_vip_key *vip,
		    const struct tg_backends *backends, uint32_t *ended);

#endif
