/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * event_record.h - the record in which a program reports a decision.
 *
 * The ring buffer holds nothing else.  A host gets copies, as struct tg_event;
 * the Lua module of the same build reads the records in place.
 */
#ifndef TG_BPF_LAYOUT_EVENT_RECORD_H
#define TG_BPF_LAYOUT_EVENT_RECORD_H

#include <linux/types.h>

/* cdef { */

/*
 * What the members of the same names in struct tg_event mean is said there.
 * Its size is a multiple of eight, so that adjacent records are an array.
 */
struct tg_event_record {
	__u64 ring; /* the kernel's record header; a program writes only what follows it */
	__u64 time_ns;
	__u64 generation;
	__u64 cgroup_id;
	__u64 netns_cookie;
	__u64 socket_cookie;
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__u32 gid;
	__u32 rule;
	__u8 hook;
	__u8 verb;
	__u8 family;
	__u8 flags;
	__u16 error;
	__u16 protocol;
	__u16 asked_port_be;
	__u16 final_port_be;
	__u8 asked_path_bytes;
	__u8 final_path_bytes;
	__u8 zero[6];
	__u8 comm[16];
	__u8 asked_addr[16];
	__u8 final_addr[16];
	__u8 asked_path[108];
	__u8 final_path[108];
};

/* } cdef */

#endif
