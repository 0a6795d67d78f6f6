/* SPDX-License-Identifier: MIT */
/* netns_call.h - call a function in another network namespace. */
#ifndef TG_SYSTEM_NETNS_CALL_H
#define TG_SYSTEM_NETNS_CALL_H

#include <stddef.h>
#include <stdint.h>

/*
 * The function.  It runs in a child process, forked from a process that may have
 * had many threads, so it may make system calls and nothing else.
 */
typedef void (*tg_netns_work)(const void *question, void *answer);

/*
 * Call it in the namespace of a descriptor; if that is our own, or if the
 * descriptor is -1, call it in this process.  The answer takes `size` bytes,
 * PIPE_BUF at most.  -errno: it was not called; -EPERM: to enter the namespace
 * takes CAP_SYS_ADMIN.
 */
int tg_netns_call(int namespace, tg_netns_work work, const void *question, void *answer,
		  size_t size);

/*
 * Open the namespace with this inode: *namespace becomes a descriptor for the
 * caller to close, or -1 if it is our own namespace.  -ENOENT: no process that we
 * see is in it, and it is mounted nowhere.
 */
int tg_netns_open(uint32_t inode, int *namespace);

#endif
