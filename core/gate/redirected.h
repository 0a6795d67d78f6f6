/* SPDX-License-Identifier: MIT */
/* redirected.h - the sockets whose connects a gate has redirected, in all network namespaces. */
#ifndef TG_GATE_REDIRECTED_H
#define TG_GATE_REDIRECTED_H

#include "bpf/layout/redirected_socket.h"
#include "gate/gate.h"

/*
 * Load an iterator into the kernel; without it, tg_redirected_each() visits nothing.
 * This needs the same capabilities as loading a gate.
 */
int tg_redirected_open(struct tg_gate *gate);
void tg_redirected_close(struct tg_gate *gate);

/*
 * Visit each socket, perhaps more than once.  If visit() returns anything but 0, the
 * walk stops and returns that.
 */
typedef int (*tg_redirected_visit)(const struct tg_redirected *socket, void *context);

int tg_redirected_each(const struct tg_gate *gate, tg_redirected_visit visit, void *context);

#endif
