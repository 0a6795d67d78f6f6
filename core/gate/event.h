/* SPDX-License-Identifier: MIT */
/* event.h - events, copied from the records of the ring. */
#ifndef TG_GATE_EVENT_H
#define TG_GATE_EVENT_H

#include "bpf/layout/event_record.h"
#include "tidegate.h"

/* The size of struct tg_event in its first release. */
#define TG_EVENT_FIRST_SIZE 360

/* Fill in an event from a record. */
void tg_event_copy(struct tg_event *event, const struct tg_event_record *record);

#endif
