/* SPDX-License-Identifier: MIT */
/*
 * kill.c - ending sockets that a gate has connected to backends.
 *
 * Only connected sockets are ended: one that sends datagrams without a connect
 * gets another backend with its next datagram.
 */
#include "gate/kill.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "gate/redirected.h"
#include "system/capability.h"
#include "system/netns_call.h"
#include "system/sock_destroy.h"

/*
 * A socket that chose its backend just before the backends changed may not be
 * connected yet.  So sockets are looked for this often, this many ns apart.
 */
#define TRIES   10
#define WAIT_NS 2000000

/* Whether to end a socket. */
typedef bool (*wants_socket)(const struct tg_redirected *socket, const void *what);

struct victims {
	struct tg_redirected *at;
	size_t count, capacity;
	bool again;      /* this is not the first search */
	bool on_the_way; /* some may be connected soon */
	wants_socket wants;
	const void *what;
};

static int choose(const struct tg_redirected *socket, void *context)
{
	struct victims *victims = context;
	int error;

	if (!victims->wants(socket, victims->what))
		return 0;
	/* An MPTCP socket that was ended stays connected for a while, without a subflow. */
	if (socket->proto == IPPROTO_MPTCP && victims->again)
		return 0;
	if (!socket->connected) {
		victims->on_the_way = true;
		return 0;
	}
	error = tg_array_reserve(victims->at, victims->capacity, victims->count + 1, "sockets");
	if (!error)
		victims->at[victims->count++] = *socket;
	return error;
}

static int by_namespace(const void *a, const void *b)
{
	const struct tg_redirected *one = a, *other = b;

	if (one->netns != other->netns)
		return one->netns < other->netns ? -1 : 1;
	return one->cookie < other->cookie ? -1 : one->cookie > other->cookie;
}

/* Sort the sockets by namespace, and drop those that were found more than once. */
static void sort(struct victims *victims)
{
	size_t kept = 0;

	qsort(victims->at, victims->count, sizeof(*victims->at), by_namespace);
	for (size_t i = 0; i < victims->count; i++)
		if (!kept || by_namespace(&victims->at[kept - 1], &victims->at[i]))
			victims->at[kept++] = victims->at[i];
	victims->count = kept;
}

/* --- In their namespaces ------------------------------------------------------------------ */

struct group {
	const struct tg_redirected *at;
	size_t count;
};

static void destroy(const void *question, void *answer)
{
	const struct group *group = question;

	tg_sock_destroy(group->at, group->count, answer);
}

static int fail(int error, size_t sockets)
{
	const char *were = sockets == 1 ? "socket was" : "sockets were";

	if (error == -ENOENT)
		return tg_fail(error,
			       "%zu %s not ended: no process that can be seen from here is in "
			       "the network namespace, and it is mounted nowhere",
			       sockets, were);
	if (error == -EPERM)
		return tg_fail(error,
			       "%zu %s not ended: this takes CAP_NET_ADMIN, and also "
			       "CAP_SYS_ADMIN in another network namespace",
			       sockets, were);
	if (error == -EOPNOTSUPP)
		return tg_fail(error,
			       "%zu %s not ended: this kernel has no tcp_diag or udp_diag, or is "
			       "built without CONFIG_INET_DIAG_DESTROY; run `tidegate doctor`",
			       sockets, were);
	return tg_fail_errno(error, "%zu %s not ended", sockets, were);
}

static int destroy_group(const struct group *group, uint32_t *ended)
{
	struct tg_destroyed destroyed = {0};
	int namespace = -1, error = tg_netns_open(group->at->netns, &namespace);

	if (!error)
		error = tg_netns_call(namespace, destroy, group, &destroyed, sizeof(destroyed));
	if (namespace >= 0)
		close(namespace);
	*ended += destroyed.count;
	if (!error)
		error = destroyed.error;
	return error ? fail(error, group->count - destroyed.count) : 0;
}

/* End all of them, even if some fail.  Returns the first failure. */
static int destroy_all(struct victims *victims, uint32_t *ended)
{
	int result = 0;

	sort(victims);
	for (size_t first = 0, end; first < victims->count; first = end) {
		struct group group = {.at = &victims->at[first]};
		int error;

		for (end = first; end < victims->count; end++)
			if (victims->at[end].netns != group.at->netns)
				break;
		group.count = end - first;
		error = destroy_group(&group, ended);
		result = result ? result : error;
	}
	return result;
}

/* --- Which ones ---------------------------------------------------------------------------- */

int tg_kill_prepare(struct tg_gate *gate)
{
	int error = tg_gate_check_control(gate, "kill_sockets");
	char missing[64];

	if (error)
		return error;
	tg_capabilities_missing(missing, sizeof(missing));
	if (*missing)
		return tg_fail(-EPERM,
			       "kill_sockets: to end sockets takes " TG_CAPABILITIES
			       "; this process lacks %s",
			       missing);
	return tg_redirected_open(gate);
}

/* End the wanted sockets, in every network namespace; *ended: how many. */
static int end_sockets(const struct tg_gate *gate, wants_socket wants, const void *what,
		       uint32_t *ended)
{
	const struct timespec wait = {.tv_nsec = WAIT_NS};
	struct victims victims = {.wants = wants, .what = what};
	uint32_t count = 0, before = 0;
	int error = 0;

	for (int tries = 0; tries < TRIES && !error; tries++) {
		victims.count = 0;
		victims.on_the_way = false;
		before = count;
		error = tg_redirected_each(gate, choose, &victims);
		if (!error && victims.count)
			error = destroy_all(&victims, &count);
		if (!victims.on_the_way && !victims.count)
			break;
		victims.again = true;
		nanosleep(&wait, NULL);
	}
	if (!error && count - before < victims.count)
		error = fail(-EOPNOTSUPP, victims.count - (count - before));
	free(victims.at);
	if (!error)
		*ended = count;
	return error;
}

static bool is_at(const struct tg_redirected *socket, const struct tg_backend_place *backend,
		  uint16_t own_port_be)
{
	uint16_t port_be = backend->port_be ? backend->port_be : own_port_be;

	return !memcmp(socket->final_addr_be, backend->addr_be, sizeof(backend->addr_be)) &&
	       (!port_be || socket->final_port_be == port_be);
}

static bool is_at_backend(const struct tg_redirected *socket, const void *what)
{
	return is_at(socket, what, 0);
}

int tg_gate_kill_sockets(struct tg_gate *gate, const char *backend, uint32_t *ended)
{
	struct tg_backend_place place;
	uint32_t count = 0;
	int error = TG_REQUIRE(gate) ?: TG_REQUIRE(backend);

	if (error)
		return error;
	error = tg_backend_take_address(&place, backend);
	if (error)
		return tg_fail(error, "kill_sockets: %s", tg_error());
	error = tg_kill_prepare(gate) ?: end_sockets(gate, is_at_backend, &place, &count);
	if (!error && ended)
		*ended = count;
	return error;
}

struct gone {
	const struct tg_live *services;
	const struct tg_vip_key *vip;
	const struct tg_backends *backends;
};

/* Whether the socket's call is for the VIP, and not for one that says more. */
static bool asked_for(const struct tg_redirected *socket, const struct gone *gone)
{
	const struct tg_vip_key *vip = gone->vip;
	struct tg_vip_key asked = tg_vip_asked((const uint8_t *)socket->asked_addr_be,
					       ntohs(socket->asked_port_be), socket->proto);
	bool says_more;

	if (asked.high != vip->high || asked.low != vip->low ||
	    !TG_VIP_COVERS(vip->what, asked.what))
		return false;
	if (asked.what == vip->what || tg_live_enter(gone->services))
		return true;
	says_more = tg_service_table_says_more(&gone->services->table, vip, &asked);
	tg_live_leave(gone->services);
	return !says_more;
}

static bool is_of_service(const struct tg_redirected *socket, const void *what)
{
	const struct gone *gone = what;

	if (!asked_for(socket, gone))
		return false;
	for (uint32_t i = 0; i < gone->backends->count; i++)
		if (is_at(socket, &gone->backends->at[i], socket->asked_port_be))
			return true;
	return false;
}

int tg_kill_service(const struct tg_live *services, const struct tg_vip_key *vip,
		    const struct tg_backends *backends, uint32_t *ended)
{
	const struct gone gone = {services, vip, backends};

	return end_sockets(services->gate, is_of_service, &gone, ended);
}
