/* SPDX-License-Identifier: MIT */
/* gate.c - gates for variants: compile a policy, publish it, attach it. */
#include "bench/gate.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "bench/bench.h"
#include "bench/group.h"

/* The program that a gate has attached to a cgroup. It must be the only one there. */
static int program_of(const struct variant *variant, enum bpf_attach_type hook)
{
	__u32 ids[4], count = COUNT_OF(ids);
	int err = bpf_prog_query(variant->cgroup_fd, hook, 0, NULL, ids, &count);

	if (err || count != 1)
		die("%s: the gate has attached %u programs, not one", variant->id, count);
	return bpf_prog_get_fd_by_id(ids[0]);
}

struct tg_gate *gate_of_image(const struct tg_image *image)
{
	struct tg_gate *gate;
	int err;

	check(tg_gate_new(NULL, &gate));
	err = tg_gate_publish(gate, image, NULL);
	if (err == -EOPNOTSUPP) {
		tg_gate_close(gate);
		return NULL;
	}
	check(err);
	return gate;
}

static enum bpf_attach_type hook_of(const struct variant *variant, int family)
{
	if (variant->op == TG_OP_SENDMSG)
		return family == AF_INET ? BPF_CGROUP_UDP4_SENDMSG : BPF_CGROUP_UDP6_SENDMSG;
	return family == AF_INET ? BPF_CGROUP_INET4_CONNECT : BPF_CGROUP_INET6_CONNECT;
}

void gate_attach(struct variant *variant, int family, struct tg_gate *gate)
{
	if (!gate)
		die("%s", tg_error());
	variant->gate = gate;
	check(tg_gate_attach(variant->gate, variant->cgroup, NULL, NULL));
	variant->program = program_of(variant, hook_of(variant, family));
}

static struct tg_list *list_of(enum tg_field field, const char *item)
{
	struct tg_list *list;

	check(tg_list_new(field, 0, &list));
	check(tg_list_add(list, item));
	return list;
}

void gate_match(struct tg_policy *policy, uint32_t index, struct tg_list *list)
{
	check(tg_policy_add_match(policy, index, list));
	tg_list_free(list);
}

uint32_t gate_add_rule(struct tg_policy *policy, const struct tg_rule *rule, const char *endpoint,
		       const char *proto)
{
	uint32_t index;

	check(tg_policy_add_rule(policy, rule, &index));
	gate_match(policy, index, list_of(TG_FIELD_ENDPOINT, endpoint));
	if (proto)
		gate_match(policy, index, list_of(TG_FIELD_PROTO, proto));
	return index;
}

struct tg_gate *gate_of_policy(struct tg_policy *policy)
{
	struct tg_image *image;
	struct tg_gate *gate;

	check(tg_policy_compile(policy, &image));
	tg_policy_free(policy);
	gate = gate_of_image(image);
	tg_image_free(image);
	return gate;
}

struct tg_gate *gate_of_rule(const struct tg_rule *rule, const char *endpoint, const char *proto)
{
	struct tg_policy *policy;

	check(tg_policy_new("bench", &policy));
	gate_add_rule(policy, rule, endpoint, proto);
	return gate_of_policy(policy);
}

struct tg_rule gate_rule(const struct variant *variant, enum tg_verb verb)
{
	return (struct tg_rule){
		.size = sizeof(struct tg_rule), .verb = verb, .ops = 1u << variant->op};
}

void gate_with_rule(struct variant *variant, const struct tg_rule *rule, const char *endpoint,
		    const char *proto)
{
	gate_attach(variant, AF_INET, gate_of_rule(rule, endpoint, proto));
}
