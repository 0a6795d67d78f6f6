/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * asked_before.h - what a program asked for, if another gate has rewritten its call before.
 *
 * Each gate notes with the socket what it has redirected, and finds there what others have noted.
 *
 * A note is of this call if its gate has redirected the call to what this program was called
 * with, a moment ago, as a program that is before this one in the array of the call's programs.
 * A gate drops its note when it lets a call proceed unchanged.  So notes that are wrong can only be
 * those of gates that no longer judge calls, and their ticks are old.
 */
#ifndef TG_BPF_HOOK_ASKED_BEFORE_H
#define TG_BPF_HOOK_ASKED_BEFORE_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/verifier.h"
#include "bpf/hook/once.h"
#include "bpf/hook/stored.h"
#include "bpf/layout/program_spec.h"

/* How long ago, in ticks: a call may be preempted between two of its programs. */
#define TG_MOMENT 100

/* Whether the note at an address is of this call, and says that it was redirected to `goal`. */
static __always_inline int tg_note_is_right(const struct tg_note *own, const struct tg_goal *goal,
					    __u64 address)
{
	struct {
		__u64 tick;
		__u64 at;
		struct tg_goal goal;
	} note;
	__u64 differs;

	if (bpf_probe_read_kernel(&note, sizeof(note), (void *)address))
		return 0;
	differs = (note.goal.words[0] ^ goal->words[0]) | (note.goal.words[1] ^ goal->words[1]) |
		  (note.goal.words[2] ^ goal->words[2]);
	return !differs && own->tick - note.tick <= TG_MOMENT &&
	       own->at - note.at - 1 <
		       TG_PROGRAMS_AFTER * bpf_core_type_size(struct bpf_prog_array_item);
}

/* Walk through the list.  Returns the address of the note, or 0. */
static __always_inline __u64 tg_note_search(struct tg_note *own, const struct tg_goal *goal)
{
	__u64 at = (__u64)own - TG_OFFSET(bpf_local_storage_elem, sdata.data);
	__u64 element, value, node, found = 0;
	struct tg_map_kind kind, other;
	int others = 0;

	kind.value_size = 0; /* unknown: most sockets have nothing else in the list */
	own->list = tg_kernel_word(at + TG_OFFSET(bpf_local_storage_elem, local_storage)) +
		    TG_OFFSET(bpf_local_storage, list);
	own->first = node = tg_kernel_word(own->list);
	TG_ROLL
	for (int i = 0; i < TG_STORED && node && !found; i++) {
		element = tg_stored_at(&node);
		value = TG_STORED_VALUE(element);
		if (value == (__u64)own)
			continue;
		if (!kind.value_size)
			tg_map_read(at, &kind);
		tg_map_read(element, &other);
		if (!tg_same_kind(&other, &kind))
			continue;
		others = 1;
		if (tg_note_is_right(own, goal, value))
			found = value;
	}
	if (others)
		own->list = 0;
	own->other = found;
	return found;
}

/*
 * Whether another gate has redirected this call to `goal`: the address of its note, or 0.  `own`
 * is the beginning of what this gate stores with the socket.
 *
 * A socket that keeps sending does not make us walk: without another gate's note, as long as
 * the list has the same first element, because the kernel adds elements there; with one, as
 * long as that is right.
 */
TG_GLOBAL __u64 tg_note_before(struct tg_note *own, const struct tg_goal *goal, int hook)
{
	__u64 tick = bpf_jiffies64();

	if (!(tg_spec.features & (TG_FEATURES_REMEMBER | TG_FEATURE_PATH_BACK)) || !own || !goal ||
	    !tg_storage_is_known())
		return 0;
	if (own->tick != tick || own->hook != (__u32)hook) {
		own->at = tg_program_at();
		own->hook = hook;
		own->tick = tick;
	}
	if (own->list && tg_kernel_word(own->list) == own->first)
		return 0;
	if (own->other && tg_note_is_right(own, goal, own->other))
		return own->other;
	return tg_note_search(own, goal);
}

/* The gate lets a call proceed unchanged, or shows where it has redirected the call. */
static __always_inline void tg_note_drop(struct tg_note *own)
{
	if (own->goal.words[2])
		own->goal.words[2] = 0;
}

#endif
