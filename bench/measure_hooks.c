/* SPDX-License-Identifier: MIT */
/*
 * measure_hooks.c - measure what each of the 17 hooks adds to its call, and to the same call on a
 * socket outside the cgroup: that also takes longer as soon as the hook is attached anywhere.
 *
 * A round times the call inside and outside the cgroup, attaches the gate, and times both again. No
 * other gate may be attached.
 */
#include "bench/measure_hooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/bench.h"
#include "bench/cgroup.h"
#include "bench/gate.h"
#include "bench/group.h"
#include "bench/samples.h"

#define CALLS   128 /* so few that their datagrams fit in a socket's buffer */
#define BATCHES 10  /* in the first ones the caches are still cold from attaching */
#define ROUNDS  40
#define COLD    2 /* further rounds before those, whose times are not kept */

/* --- Calls, each by a bound datagram socket with its own address ---------------------- */

struct name {
	struct sockaddr_storage storage;
	socklen_t length;
};

typedef void (*call)(int fd, const struct name *own);

#define ADDRESS(name) ((struct sockaddr *)&(name)->storage)

static void do_connect(int fd, const struct name *own)
{
	connect(fd, ADDRESS(own), own->length);
}

/* The kernel refuses this second bind, but only after the hook has run. */
static void do_bind(int fd, const struct name *own)
{
	bind(fd, ADDRESS(own), own->length);
}

static void do_sendmsg(int fd, const struct name *own)
{
	if (sendto(fd, "x", 1, MSG_DONTWAIT, ADDRESS(own), own->length) != 1)
		die("sendto: %s", strerror(errno));
}

static void do_recvmsg(int fd, const struct name *own)
{
	struct name from = {.length = sizeof(from.storage)};
	char byte;

	(void)own;
	if (recvfrom(fd, &byte, 1, MSG_DONTWAIT, ADDRESS(&from), &from.length) != 1)
		die("recvfrom: %s", strerror(errno));
}

static void do_getpeername(int fd, const struct name *own)
{
	struct name peer = {.length = sizeof(peer.storage)};

	(void)own;
	getpeername(fd, ADDRESS(&peer), &peer.length);
}

static void do_getsockname(int fd, const struct name *own)
{
	struct name name = {.length = sizeof(name.storage)};

	(void)own;
	getsockname(fd, ADDRESS(&name), &name.length);
}

/* `prepare` is called as often as `call`, before the clock starts. */
static const struct kind {
	enum tg_op op;
	const char *name;
	call prepare, call;
} kinds[] = {
	{TG_OP_CONNECT, "connect", NULL, do_connect},
	{TG_OP_BIND, "bind", NULL, do_bind},
	{TG_OP_SENDMSG, "sendmsg", NULL, do_sendmsg},
	{TG_OP_RECVMSG, "recvmsg", do_sendmsg, do_recvmsg},
	{TG_OP_GETPEERNAME, "getpeername", do_connect, do_getpeername},
	{TG_OP_GETSOCKNAME, "getsockname", NULL, do_getsockname},
};

/* The rule's endpoint matches the sockets' addresses, so that the program finds a rule. */
static const struct family {
	int family;
	const char *suffix, *endpoint;
} families[] = {
	{AF_INET, "4", "127.0.0.1"},
	{AF_INET6, "6", "::1"},
	{AF_UNIX, "_unix", "unix:*"},
};

/* --- Rounds ---------------------------------------------------------------------------- */

static void drain(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
		;
}

static double time_batch(const struct kind *kind, int fd, const struct name *own)
{
	double start;

	drain(fd);
	for (int i = 0; kind->prepare && i < CALLS; i++)
		kind->prepare(fd, own);
	start = now_ns();
	for (int i = 0; i < CALLS; i++)
		kind->call(fd, own);
	return (now_ns() - start) / CALLS;
}

/* The time of the fastest batch: the others include other work of the machine. */
static double time_call(const struct kind *kind, const struct variant *variant, int round)
{
	int fd = variant->sockets[(round + COLD) % VARIANT_SOCKETS];
	struct name own = {.length = sizeof(own.storage)};
	double least = 0;

	if (getsockname(fd, ADDRESS(&own), &own.length))
		die("getsockname: %s", strerror(errno));
	for (int batch = 0; batch < BATCHES; batch++) {
		double value = time_batch(kind, fd, &own);

		if (!batch || value < least)
			least = value;
	}
	return least;
}

static void time_both(const struct kind *kind, const struct variant *in, const struct variant *out,
		      int round, struct samples samples[2])
{
	double inside = time_call(kind, in, round), outside = time_call(kind, out, round);

	if (round < 0)
		return;
	samples_add(&samples[0], inside);
	samples_add(&samples[1], outside);
}

static void measure_hook(const struct kind *kind, const struct family *family)
{
	struct tg_rule rule = {.size = sizeof(rule), .verb = TG_VERB_ALLOW, .ops = 1u << kind->op};
	struct tg_gate *gate = gate_of_rule(&rule, family->endpoint, NULL);
	struct samples bare[2] = {0}, taxed[2] = {0};
	struct variant in = {0}, out = {0};

	if (!gate)
		return;
	variant_place(&in, family->family);
	variant_place(&out, family->family);
	for (int round = -COLD; round < ROUNDS; round++) {
		time_both(kind, &in, &out, round, bare);
		check(tg_gate_attach(gate, in.cgroup, NULL, NULL));
		time_both(kind, &in, &out, round, taxed);
		check(tg_gate_detach(gate, NULL));
	}
	tg_gate_close(gate);
	printf("{\"hook\":\"%s%s\",\"bare\":%.2f,\"added\":%.2f,\"tax\":%.2f}\n", kind->name,
	       family->suffix, samples_quantile(&bare[0], NULL, 0.5),
	       samples_quantile(&taxed[0], &bare[0], 0.5),
	       samples_quantile(&taxed[1], &bare[1], 0.5));
}

void measure_hooks(void)
{
	say("MEASURE", "what each hook adds to its call");
	for (uint32_t k = 0; k < COUNT_OF(kinds); k++)
		for (uint32_t f = 0; f < COUNT_OF(families); f++)
			if (kinds[k].op != TG_OP_BIND || families[f].family != AF_UNIX)
				measure_hook(&kinds[k], &families[f]);
}
