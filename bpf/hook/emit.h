/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* emit.h - writing decisions to the ring buffer, as events. */
#ifndef TG_BPF_HOOK_EMIT_H
#define TG_BPF_HOOK_EMIT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/features.h"
#include "bpf/engine/shared_read.h"
#include "bpf/engine/tree_search.h"
#include "bpf/hook/addr.h"
#include "bpf/hook/context.h"
#include "bpf/hook/count.h"
#include "bpf/hook/maps.h"
#include "bpf/layout/event_record.h"
#include "bpf/layout/image_layout.h"
#include "bpf/layout/program_spec.h"

#define TG_RATE_TRIES 8

/*
 * Whether a term's log rate admits one more event, by the generic cell rate
 * algorithm: one number a slot, changed by compare-and-swap, so that the rate is
 * exact across all processors.
 */
static __always_inline int tg_log_admits(const struct tg_term *term, struct tg_slot *slot)
{
	__u64 interval = (__u64)term->log_interval_us * 1000;
	__u64 now;

	if (term->log_every > 1 && __sync_fetch_and_add(&slot->log_seen, 1) % term->log_every != 0)
		return 0;
	if (!interval)
		return 1;
	now = TG_NOW_NS();
	for (int i = 0; i < TG_RATE_TRIES; i++) {
		__u64 until = *(volatile __u64 *)&slot->log_until_ns;
		__u64 from = until > now ? until : now;

		if (from - now > (__u64)term->log_window_s * 1000000000 - interval)
			break;
		if (__sync_val_compare_and_swap(&slot->log_until_ns, until, from + interval) ==
		    until)
			return 1;
	}
	__sync_fetch_and_add(&slot->suppressed, 1);
	return 0;
}

static __always_inline void tg_fill_caller(struct tg_event_record *event, struct bpf_sock_addr *ctx)
{
	__u64 ids = bpf_get_current_pid_tgid();

	event->pid = ids >> 32;
	event->tid = (__u32)ids;
	ids = bpf_get_current_uid_gid();
	event->uid = (__u32)ids;
	event->gid = ids >> 32;
	event->cgroup_id = bpf_get_current_cgroup_id();
	event->netns_cookie = bpf_get_netns_cookie(ctx);
	event->socket_cookie = bpf_get_socket_cookie(ctx);
	__builtin_memset(event->comm, 0, sizeof(event->comm));
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

/* A program writes only what follows the record's header, which the kernel writes. */
#define TG_RECORD_BYTES (sizeof(struct tg_event_record) - sizeof(__u64))

/* Reserve a record; NULL if the log rate suppresses the event, or the ring is full. */
static __always_inline void *tg_record_reserve(const struct tg_term *term, enum tg_hook hook)
{
	__u32 index = term->slot & (tg_spec.slots - 1);
	struct tg_slot *slot = bpf_map_lookup_elem(&tg_slots, &index);
	void *record;

	if (!slot || !tg_log_admits(term, slot))
		return 0;
	record = bpf_ringbuf_reserve(&tg_events, TG_RECORD_BYTES, 0);
	if (!record)
		TG_COUNT(hook, lost);
	return record;
}

static __always_inline __u8 tg_event_flags(const struct tg_term *term)
{
	int shadow = term->effects & (TG_EFFECT_SHADOW | TG_EFFECT_TRIAL) &&
		     term->verb != TG_VERB_OBSERVE;

	return shadow ? TG_EVENT_SHADOW : 0;
}

/* Say how the call ends, if that is not as its rule says; `error`: the errno, positive, or 0. */
static __always_inline void tg_event_end(struct tg_event_record *event, __u32 flags, __u32 error)
{
	event->flags |= flags;
	if (error)
		event->error = error;
}

/* Fill in an event, except its addresses. */
static __always_inline void tg_event_fill(struct tg_event_record *event, const struct tg_view *view,
					  const struct tg_term *term, struct bpf_sock_addr *ctx,
					  enum tg_hook hook)
{
	const struct tg_image_header *header = view->rows;

	event->time_ns = TG_NOW_NS();
	event->generation = header->generation;
	tg_fill_caller(event, ctx);
	event->rule = term->rule;
	event->hook = hook;
	event->verb = term->verb;
	event->flags = tg_event_flags(term);
	event->error = term->verb == TG_VERB_DENY ? term->error : 0;
	__builtin_memset(event->zero, 0, sizeof(event->zero));
}

static __always_inline void tg_emit(struct tg_call *call, const struct tg_term *term,
				    const struct tg_target *target)
{
	void *record = tg_record_reserve(term, call->hook);
	struct tg_event_record *event;

	if (!record)
		return;
	event = record - sizeof(__u64);
	tg_event_fill(event, &call->view, term, call->ctx, call->hook);
	event->family = tg_hook_is4(call->hook) ? AF_INET : AF_INET6;
	event->protocol = tg_call_proto(call->ctx);
	tg_event_end(event, target->flags, target->error);
	event->asked_port_be = call->port_be;
	event->final_port_be = target->port_be;
	tg_copy_addr((__u32 *)event->asked_addr, call->addr_be);
	tg_copy_addr((__u32 *)event->final_addr, target->addr_be);
	event->asked_path_bytes = 0;
	event->final_path_bytes = 0;
	__builtin_memset(event->asked_path, 0, sizeof(event->asked_path));
	__builtin_memset(event->final_path, 0, sizeof(event->final_path));
	bpf_ringbuf_submit(record, 0);
}

#endif
