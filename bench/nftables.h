/* SPDX-License-Identifier: MIT */
/* nftables.h - nftables, and network namespaces in which it sees what is sent. */
#ifndef BENCH_NFTABLES_H
#define BENCH_NFTABLES_H

#include <stdbool.h>
#include <stdio.h>

/* Whether nftables can be measured here. If not, says why. */
bool nft_is_there(void);

/*
 * Enter a new network namespace, and go back. In the new one, all addresses except its own lead to
 * a device that drops what it is given.
 */
void sink_enter(void);
void sink_leave(void);

/* Run nft on a script, and close it. Returns how many ms that took. */
double nft_run(FILE *script);

#endif
