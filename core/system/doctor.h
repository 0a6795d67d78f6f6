/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - what the doctor tries out.  Each probe leaves nothing behind
 * unless it says so, and returns 0 or -errno.
 */
#ifndef TG_SYSTEM_DOCTOR_H
#define TG_SYSTEM_DOCTOR_H

#include "tidegate.h"

/* "unlimited", "8192 KiB" */
void tg_probe_memlock(char *text, size_t size);

/* Make an array map. */
int tg_probe_map(void);

/* End a socket of this kind, SOCK_STREAM or SOCK_DGRAM, that it has connected to itself. */
int tg_probe_kill(int kind);

/* Attach a program that lets every call pass to a cgroup. */
int tg_probe_attach(const char *cgroup);

/* Make a cgroup below our own, for the caller to remove. */
int tg_probe_make_cgroup(char *path, size_t size);

#endif
