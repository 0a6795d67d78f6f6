/* SPDX-License-Identifier: MIT */
/*
 * restrict.c - a process that gives up what it does not need of a gate.
 *
 * The kernel asks nothing of a process that attaches, detaches or writes through a
 * descriptor that it has, or a mapping.  So giving up a right is closing its descriptors,
 * and unmapping its maps or mapping them again for reading only: what is mapped from a
 * map without PROT_WRITE never becomes writable.
 */
#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "gate/gate.h"

int tg_gate_check(const struct tg_gate *gate, const char *call)
{
	return gate ? 0 : tg_fail(-EINVAL, "tg_gate_%s: gate is NULL", call);
}

int tg_gate_check_control(const struct tg_gate *gate, const char *call)
{
	int error = tg_gate_check(gate, call);

	if (!error && gate->restricted)
		error = tg_fail(-EPERM,
				"%s: this process has restricted the gate, and has no control of "
				"it any more: do this in the process that made it",
				call);
	return error;
}

static const char *name_of(uint32_t right)
{
	if (right == TG_MAY_EVENTS)
		return "events";
	return right == TG_MAY_TABLES ? "tables" : "stats";
}

int tg_gate_check_right(const struct tg_gate *gate, uint32_t right, const char *call)
{
	int error = tg_gate_check(gate, call);

	if (!error && !(gate->may & right))
		error = tg_fail(-EPERM,
				"%s: this process has restricted the gate, and has given up its "
				"%s",
				call, name_of(right));
	return error;
}

int tg_gate_check_reader(const struct tg_gate *gate, const char *call)
{
	int error = tg_gate_check_right(gate, TG_MAY_EVENTS, call);

	if (!error && gate->restricted && gate->reader != getpid())
		error = tg_fail(-EPERM,
				"%s: this process has restricted the gate, and has to claim its "
				"events before it reads them",
				call);
	return error;
}

/* Reduce what the process keeps to the rights that it needs. */
static int keep(struct tg_gate *gate)
{
	int error = 0;

	if (!(gate->may & TG_MAY_STATS))
		tg_gate_drop_counters(gate);
	else if (!gate->restricted)
		error = tg_gate_protect_counters(gate);
	if (!(gate->may & TG_MAY_TABLES))
		tg_gate_tables_close(gate);
	else
		error = tg_gate_tables_restrict(gate) ?: error;
	if (!(gate->may & TG_MAY_EVENTS))
		tg_gate_drop_events(gate);
	else
		tg_gate_drop_ring_map(gate);
	return error;
}

int tg_gate_restrict(struct tg_gate *gate, uint32_t may)
{
	int error =
		tg_gate_check(gate, "restrict") ?: tg_check_bits("restrict: may", may, TG_MAY_ALL);

	if (error)
		return error;
	tg_gate_lock(gate);
	gate->may &= may;
	error = keep(gate);
	tg_gate_drop_control(gate);
	gate->restricted = true;
	tg_gate_unlock(gate);
	return error;
}
