/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * once.h - a gate judges a call once, though it may be attached to a cgroup and to one above.
 *
 * The kernel runs the programs of a call in the order of an array, those of the
 * innermost cgroup first.  If a program comes again in the array, the last one
 * judges.  So nothing has to be kept, and whatever is attached or detached, by
 * whom ever, one judges: except that while a gate gets other programs, two may.
 */
#ifndef TG_BPF_HOOK_ONCE_H
#define TG_BPF_HOOK_ONCE_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/shared_read.h"
#include "bpf/engine/verifier.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_prog_array_item {
	struct bpf_prog *prog;
};

/* What the kernel keeps of the call while its programs run. */
struct bpf_cg_run_ctx {
	const struct bpf_prog_array_item *prog_item; /* of the program that runs */
};

struct task_struct___once {
	void *bpf_ctx;
};

#pragma clang attribute pop

/* The kernel has at most 64 programs on a cgroup; cgroups above one another have few. */
#define TG_PROGRAMS_AFTER 64

/* Whether the gate is attached to more than one cgroup.  Core writes it. */
__u32 tg_nests;

/* Where this program is in the array of the call's programs: an address; 0: unknown. */
static __always_inline __u64 tg_program_at(void)
{
	const struct task_struct___once *task = (void *)bpf_get_current_task_btf();
	__u64 at = 0;

	if (!bpf_core_field_exists(struct bpf_cg_run_ctx, prog_item))
		return 0;
	bpf_probe_read_kernel(&at, sizeof(at),
			      (void *)task->bpf_ctx +
				      bpf_core_field_offset(struct bpf_cg_run_ctx, prog_item));
	return at;
}

/* Whether this program comes again in the array of the call's programs. */
TG_GLOBAL int tg_comes_again(void)
{
	__u64 at = tg_program_at(), own = 0, other = 0;

	if (!at || bpf_probe_read_kernel(&own, sizeof(own), (void *)at))
		return 0;
	TG_ROLL
	for (int i = 0; i < TG_PROGRAMS_AFTER; i++) {
		at += bpf_core_type_size(struct bpf_prog_array_item);
		if (bpf_probe_read_kernel(&other, sizeof(other), (void *)at) || !other)
			return 0;
		if (other == own)
			return 1;
	}
	return 0;
}

/* Whether another program of this gate is still to judge the call. */
static __always_inline int tg_is_judged_later(void)
{
	return TG_LOAD(tg_nests) && tg_comes_again();
}

#endif
