/* SPDX-License-Identifier: MIT */
/* stats.c - what a gate has done: its counters, for the public functions. */
#include <errno.h>

#include "base/error.h"
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
		const struct tg_hook_totals *totals = &gate->totals[copy * TG_HOOKS + hook];

		sum->denied += load(&totals->calls[TG_OUTCOME_DENIED]);
		sum->rewritten += load(&totals->calls[TG_OUTCOME_REWRITTEN]);
		sum->errors += load(&totals->calls[TG_OUTCOME_ERROR]);
		sum->lost += load(&totals->lost);
		sum->calls += load(&totals->calls[TG_OUTCOME_PASSED]);
	}
	sum->calls += sum->denied + sum->rewritten + sum->errors;
}

int tg_gate_status(struct tg_gate *gate, struct tg_gate_status *status)
{
	struct tg_gate_status now = {
		.size = sizeof(now),
		.generation = gate->generation,
		.image_bytes = gate->image_bytes,
		.hooks = gate->hooks,
		.cgroups = gate->cgroup_count,
	};

	for (uint32_t copy = 0; gate->totals && copy < gate->copies; copy++) {
		now.evicted += load(&gate->totals[copy * TG_HOOKS].evicted);
		now.forgotten += load(&gate->totals[copy * TG_HOOKS].forgotten);
	}
	for (int hook = 0; hook < TG_HOOKS; hook++) {
		struct tg_hook_counters sum;

		sum_hook(gate, hook, &sum);
		now.lost += sum.lost;
		now.errors += sum.errors;
	}
	*status = now;
	return 0;
}

static int no_counters(void)
{
	return tg_fail(-ENOENT, "the gate counts nothing before its first publish");
}

int tg_gate_counters(struct tg_gate *gate, uint32_t index, enum tg_op op,
		     struct tg_counters *counters)
{
	uint32_t slot = op;

	if (!gate->counters.hits)
		return no_counters();
	if (index == TG_RULE_DEFAULT && op >= TG_OPS)
		return tg_fail(-EINVAL, "there is no operation %u", op);
	if (index != TG_RULE_DEFAULT && index >= gate->slots.rules)
		return tg_fail(-ERANGE, "the image in force has %u rules, not one numbered %u",
			       gate->slots.rules, index);
	if (index != TG_RULE_DEFAULT)
		slot = gate->slots.of_rule[index];
	tg_counters_read(&gate->counters, slot, counters);
	return 0;
}

int tg_gate_stats(struct tg_gate *gate, struct tg_counters *rules, uint32_t count,
		  struct tg_gate_stats *stats)
{
	struct tg_gate_stats now = {.size = sizeof(now), .rules = gate->slots.rules};

	if (stats->size < sizeof(*stats))
		return tg_fail(-EINVAL, "tg_gate_stats: size is %zu, not %zu", stats->size,
			       sizeof(*stats));
	if (!gate->counters.hits)
		return no_counters();
	for (uint32_t rule = 0; rule < count && rule < now.rules; rule++)
		tg_counters_read(&gate->counters, gate->slots.of_rule[rule], &rules[rule]);
	for (int op = 0; op < TG_OPS; op++)
		tg_counters_read(&gate->counters, (uint32_t)op, &now.defaults[op]);
	for (int hook = 0; hook < TG_HOOKS; hook++)
		sum_hook(gate, hook, &now.hooks[hook]);
	*stats = now;
	return 0;
}

const char *tg_gate_rule_name(const struct tg_gate *gate, uint32_t index)
{
	return index < gate->slots.rules ? gate->slots.name[gate->slots.of_rule[index]] : NULL;
}
