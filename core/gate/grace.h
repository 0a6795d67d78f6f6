/* SPDX-License-Identifier: MIT */
/* grace.h - waiting until the programs that are running have ended. */
#ifndef TG_GATE_GRACE_H
#define TG_GATE_GRACE_H

/* Two maps that no program knows. */
struct tg_grace {
	int outer; /* -1: not made yet */
	int inner;
};

int tg_grace_make(struct tg_grace *grace);
void tg_grace_close(struct tg_grace *grace);

/*
 * Wait until every BPF program that was running when this was called has ended: some
 * 20 ms.  It needs neither privileges nor a free descriptor.
 */
int tg_grace_wait(const struct tg_grace *grace);

#endif
