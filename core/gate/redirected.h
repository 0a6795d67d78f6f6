/* SPDX-License-Identifier: MIT */
/* redirected.h - which sockets a gate has connected elsewhere, in all network namespaces. */
#ifndef TG_GATE_REDIRECTED_H
#define TG_GATE_REDIRECTED_H

#include "bpf/layout/redirected_socket.h"
#include "gate/gate.h"

/*
 * Have the kernel's iterator ready: before that a gate has none.  Takes the
 * capabilities of who loads a gate.
 */
int tg_redirected_open(struct tg_gate *gate);
void tg_redirected_close(struct tg_gate *gate);

/* Visit each socket; what visit() returns but 0 ends it, and is returned. */
typedef int (*tg_redirected_visit)(const struct tg_redirected *socket, void *context);

int tg_redirected_each(const struct tg_gate *gate, tg_redirected_visit visit, void *context);

#endif
