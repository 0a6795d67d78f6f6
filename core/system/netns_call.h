/* SPDX-License-Identifier: MIT */
/* netns_call.h - doing something in another network namespace. */
#ifndef TG_SYSTEM_NETNS_CALL_H
#define TG_SYSTEM_NETNS_CALL_H

#include <stddef.h>
#include <stdint.h>

/*
 * What is done there, in a process of its own: system calls, and nothing else,
 * since the process that it was may have been a thread among many.
 */
typedef void (*tg_netns_work)(const void *question, void *answer);

/*
 * Do it in the namespace of a descriptor, or, where that is our own or -1,
 * right here.  The answer takes `size` bytes, PIPE_BUF at most.  -errno: it
 * could not be done there; -EPERM: to enter takes CAP_SYS_ADMIN.
 */
int tg_netns_call(int namespace, tg_netns_work work, const void *question, void *answer,
		  size_t size);

/*
 * The namespace with this inode: *namespace is a descriptor of it, to be
 * closed, or -1 where it is our own.  -ENOENT: no process that we see is in
 * it, and it is mounted nowhere.
 */
int tg_netns_open(uint32_t inode, int *namespace);

#endif
