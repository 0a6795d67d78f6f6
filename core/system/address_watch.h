/* SPDX-License-Identifier: MIT */
/* address_watch.h - a descriptor that tells when addresses of this host come or go. */
#ifndef TG_SYSTEM_ADDRESS_WATCH_H
#define TG_SYSTEM_ADDRESS_WATCH_H

#include <stdbool.h>

/* It polls readable from a change in this network namespace on, until tg_address_watch_take(). */
int tg_address_watch_open(int *fd);

/* Whether an address has come or gone since the last call. */
bool tg_address_watch_take(int fd);

#endif
