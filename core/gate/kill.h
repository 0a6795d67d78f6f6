/* SPDX-License-Identifier: MIT */
/* kill.h - ending sockets that a gate has connected to backends. */
#ifndef TG_GATE_KILL_H
#define TG_GATE_KILL_H

#include "gate/gate.h"
#include "table/service.h"

/* Get ready, before anything is changed.  -EPERM: this process may not end sockets. */
int tg_kill_prepare(struct tg_gate *gate);

/*
 * End the sockets whose calls are for a VIP of a table and that are connected to one of
 * these backends, in every network namespace; *ended: how many.
 */
int tg_kill_service(const struct tg_live *services, const struct tg_vip_key *vip,
		    const struct tg_backends *backends, uint32_t *ended);

#endif
