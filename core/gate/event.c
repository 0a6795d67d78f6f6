/* SPDX-License-Identifier: MIT */
/* event.c - events, copied from the records of the ring. */
#include "gate/event.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "gate/gate.h"
#include "tidegate_private.h"

void tg_event_copy(struct tg_event *event, const struct tg_event_record *record)
{
	*event = (struct tg_event){
		.size = sizeof(*event),
		.time_ns = record->time_ns,
		.generation = record->generation,
		.cgroup_id = record->cgroup_id,
		.netns_cookie = record->netns_cookie,
		.socket_cookie = record->socket_cookie,
		.pid = record->pid,
		.tid = record->tid,
		.uid = record->uid,
		.gid = record->gid,
		.rule = record->rule,
		.flags = record->flags,
		.hook = record->hook,
		.verb = record->verb,
		.family = record->family,
		.protocol = record->protocol,
		.asked_port = ntohs(record->asked_port_be),
		.final_port = ntohs(record->final_port_be),
		.asked_path_bytes = record->asked_path_bytes,
		.final_path_bytes = record->final_path_bytes,
		.error = record->error,
	};
	memcpy(event->comm, record->comm, sizeof(event->comm));
	memcpy(event->asked_addr, record->asked_addr, sizeof(event->asked_addr));
	memcpy(event->final_addr, record->final_addr, sizeof(event->final_addr));
	memcpy(event->asked_path, record->asked_path, sizeof(event->asked_path));
	memcpy(event->final_path, record->final_path, sizeof(event->final_path));
}

int tg_record_comm(const struct tg_event_record *record)
{
	bool printable = true;
	int length = 0;

	for (; length < (int)sizeof(record->comm) && record->comm[length]; length++)
		printable &= record->comm[length] >= 0x20 && record->comm[length] < 0x7f;
	return printable ? length : -1 - length;
}

int tg_gate_read_events(struct tg_gate *gate, struct tg_event *events, uint32_t capacity,
			uint32_t *count)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_event, TG_EVENT_FIRST_SIZE);
	const struct tg_event_record *records;
	uint32_t waiting;
	int error;

	error = tg_gate_check(gate, "read_events") ?: TG_REQUIRE(count);
	if (!error && capacity)
		error = tg_struct_check(kind, events);
	if (!error)
		error = tg_ring_head(gate, capacity, &records, &waiting);
	if (error)
		return error;
	for (uint32_t i = 0; i < waiting; i++) {
		struct tg_event event;

		tg_event_copy(&event, &records[i]);
		tg_struct_give_at(kind, events, i, &event);
	}
	tg_ring_consume(gate, waiting);
	*count = waiting;
	return 0;
}
