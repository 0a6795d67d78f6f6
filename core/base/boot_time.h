/* SPDX-License-Identifier: MIT */
/*
 * boot_time.h - CLOCK_BOOTTIME as programs read it.
 *
 * All times that a gate keeps are of this clock: it goes on while the machine is
 * suspended, and is the same for everybody.  clock_gettime() is not: what it says
 * is shifted for the processes of a time namespace.  This takes the shift off.
 */
#ifndef TG_BASE_BOOT_TIME_H
#define TG_BASE_BOOT_TIME_H

#include <stdint.h>

/* Nanoseconds.  A process that enters a time namespace is noticed within a millisecond's shift. */
uint64_t tg_boot_ns(void);

#endif
