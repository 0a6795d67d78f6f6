/* SPDX-License-Identifier: MIT */
/* stats.c - what a gate has done: its counters, for the public functions. */
#include <errno.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "gate/gate.h"

static uint64_t load(const __u64 *place)
{
	return __atomic_load_n(place, __ATOMIC_RELAXED);
}

/* Sum the copies. */
static void sum_hook(const struct tg_gate *gate, int hook, struct tg_hook_counters *sum)
{
	*sum = (struct tg_hook_counters){0};
	for (uint32_t copy = 0; gate->totals && copy < gate->copies; copy++) {
		const struct tg_hook_totals *totals = &gate->totals[copy * TG_HOOK_COUNT + hook];

		sum->denied += load(&totals->calls[TG_OUTCOME_DENIED]);
		sum->rewritten += load(&totals->calls[TG_OUTCOME_REWRITTEN]);
		sum->errors += load(&totals->calls[TG_OUTCOME_ERROR]);
		sum->refused_before += load(&totals->calls[TG_OUTCOME_REFUSED]);
		sum->lost += load(&totals->lost);
		sum->calls += load(&totals->calls[TG_OUTCOME_PASSED]);
	}
	sum->calls += sum->denied + sum->rewritten + sum->errors + sum->refused_before;
}

int tg_gate_status(const struct tg_gate *gate, struct tg_gate_status *status)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_gate_status, 32);
	int error = tg_gate_check(gate, "status");
	struct tg_gate_status now;

	if (!error && status)
		error = tg_struct_check(kind, status);
	if (error)
		return error;
	now = (struct tg_gate_status){
		.generation = gate->generation,
		.image_bytes = gate->image_bytes,
		.hooks = gate->hooks,
		.attachments = gate->cgroup_count,
	};
	if (status)
		tg_struct_give(kind, status, &now);
	return 0;
}

/* The caller has the gate locked. */
static int check_counting(const struct tg_gate *gate)
{
	return gate->counters.hits
		       ? 0
		       : tg_fail(-ENOENT, "the gate counts nothing before its first publish");
}

static int read_rule(const struct tg_gate *gate, uint32_t index, struct tg_counters *counters)
{
	int error = check_counting(gate);

	if (!error && index >= gate->slots.rules)
		error = tg_fail(-ERANGE, "rule %u: the image in force has %u, numbered from 0",
				index, gate->slots.rules);
	if (!error && counters)
		tg_counters_read(&gate->counters, gate->slots.of_rule[index], counters);
	return error;
}

int tg_gate_rule_counters(const struct tg_gate *gate, uint32_t index, struct tg_counters *counters)
{
	int error = tg_gate_check_right(gate, TG_MAY_STATS, "rule_counters");

	if (error)
		return error;
	tg_gate_lock(gate);
	error = read_rule(gate, index, counters);
	tg_gate_unlock(gate);
	return error;
}

static int read_all(const struct tg_gate *gate, struct tg_counters *rules, uint32_t capacity,
		    struct tg_gate_stats *now)
{
	int error = check_counting(gate);

	if (error)
		return error;
	now->rules = gate->slots.rules;
	for (uint32_t rule = 0; rule < capacity && rule < now->rules; rule++)
		tg_counters_read(&gate->counters, gate->slots.of_rule[rule], &rules[rule]);
	for (int op = 0; op < TG_OP_COUNT; op++)
		tg_counters_read(&gate->counters, (uint32_t)op, &now->defaults[op]);
	for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
		sum_hook(gate, hook, &now->hooks[hook]);
		now->lost += now->hooks[hook].lost;
		now->errors += now->hooks[hook].errors;
	}
	for (uint32_t copy = 0; copy < gate->copies; copy++) {
		const struct tg_hook_totals *totals = &gate->totals[copy * TG_HOOK_COUNT];

		now->rates_evicted += load(&totals->evicted);
		now->clients_evicted += load(&totals->forgotten);
	}
	return 0;
}

int tg_gate_stats(const struct tg_gate *gate, struct tg_counters *rules, uint32_t capacity,
		  struct tg_gate_stats *stats)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_gate_stats, 2608);
	int error = tg_gate_check_right(gate, TG_MAY_STATS, "stats");
	struct tg_gate_stats now = {0};

	if (!error && stats)
		error = tg_struct_check(kind, stats);
	if (!error && capacity)
		error = TG_REQUIRE(rules);
	if (error)
		return error;
	tg_gate_lock(gate);
	error = read_all(gate, rules, capacity, &now);
	tg_gate_unlock(gate);
	if (!error && stats)
		tg_struct_give(kind, stats, &now);
	return error;
}
