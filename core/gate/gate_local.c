/* SPDX-License-Identifier: MIT */
/*
 * gate_local.c - keeps the set behind "@local" as the host's addresses are.
 *
 * It is filled at each publish.  From then on whoever reads the events also follows the
 * addresses: the descriptor that it waits for is readable when one has come or gone.
 */
#include "gate/gate.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.h"
#include "parse/local_elements.h"
#include "system/address_watch.h"

static struct tg_set *find(const struct tg_gate *gate)
{
	return (struct tg_set *)tg_gate_live(gate, TG_LOCAL_SET, TG_TABLE_SET);
}

static int fill(struct tg_set *set)
{
	struct tg_elements elements = {0};
	int error = tg_local_elements_add(&elements);

	if (!error)
		error = tg_set_replace_elements(set, &elements);
	tg_elements_free(&elements);
	return error;
}

static int watch(struct tg_gate *gate)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd, error = tg_address_watch_open(&fd);

	if (error)
		return error;
	if (epoll_ctl(gate->wait_fd, EPOLL_CTL_ADD, fd, &event)) {
		error = tg_fail_errno(-errno, "@local: cannot wait for the host's addresses");
		close(fd);
		return error;
	}
	gate->address_watch = fd;
	return 0;
}

/* The watch comes first, so that no change falls between the two. */
int tg_gate_local_fill(struct tg_gate *gate)
{
	struct tg_set *set = find(gate);
	int error = 0;

	if (!set)
		return 0;
	if (gate->address_watch < 0)
		error = watch(gate);
	return error ?: fill(set);
}

int tg_gate_local_follow(const struct tg_gate *gate)
{
	struct tg_set *set;

	if (gate->address_watch < 0 || !tg_address_watch_take(gate->address_watch))
		return 0;
	if (!(gate->may & TG_MAY_TABLES))
		return 0;
	tg_gate_lock(gate);
	set = find(gate);
	tg_gate_unlock(gate);
	return set ? fill(set) : 0;
}
