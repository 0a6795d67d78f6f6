/* SPDX-License-Identifier: MIT */
/*
 * doctor_try.h - what the doctor tries out.  Each function returns 0 or -errno and
 * leaves nothing behind, unless it says so.
 */
#ifndef TG_SYSTEM_DOCTOR_TRY_H
#define TG_SYSTEM_DOCTOR_TRY_H

#include <stddef.h>

/* Make an array map. */
int tg_doctor_try_map(void);

/* Connect a socket of this kind, SOCK_STREAM or SOCK_DGRAM, to another one of ours, and end it. */
int tg_doctor_try_kill(int kind);

/* Attach to a cgroup a program that lets every call pass. */
int tg_doctor_try_attach(const char *cgroup);

/* Make a cgroup below our own, for the caller to remove. */
int tg_doctor_try_make_cgroup(char *path, size_t size);

#endif
