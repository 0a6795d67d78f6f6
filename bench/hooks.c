/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - what each hook adds to its call, and to the same call of a socket
 * outside the cgroup, which pays for the hook being attached at all.
 *
 * A round times the call with nothing attached, attaches, and times it in the
 * cgroup and beside it.  It is done before there are other gates.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"

#define CALLS  128 /* datagrams, too, that fit a socket's buffer */
#define ROUNDS 60
#define COLD   4 /* rounds that are not kept */

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* --- The calls: each of a bound UDP socket ------------------------------------------- */

static void do_connect(int fd)
{
	struct sockaddr_in to = loopback(9);

	connect(fd, (struct sockaddr *)&to, sizeof(to));
}

/* The kernel refuses a second bind, after the hook. */
static void do_bind(int fd)
{
	struct sockaddr_in to = loopback(0);

	bind(fd, (struct sockaddr *)&to, sizeof(to));
}

/* To itself: where its buffer is full, the datagram is dropped. */
static void do_sendmsg(int fd)
{
	static struct sockaddr_in own;
	static int known = -1;
	socklen_t size = sizeof(own);

	if (known != fd && getsockname(fd, (struct sockaddr *)&own, &size))
		die("getsockname: %s", strerror(errno));
	known = fd;
	sendto(fd, "x", 1, 0, (struct sockaddr *)&own, sizeof(own));
}

static void do_recvmsg(int fd)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char byte;

	if (recvfrom(fd, &byte, 1, MSG_DONTWAIT, (struct sockaddr *)&from, &size) != 1)
		die("recvfrom: %s", strerror(errno));
}

static void do_getpeername(int fd)
{
	struct sockaddr_in name;
	socklen_t size = sizeof(name);

	getpeername(fd, (struct sockaddr *)&name, &size);
}

static void do_getsockname(int fd)
{
	struct sockaddr_in name;
	socklen_t size = sizeof(name);

	getsockname(fd, (struct sockaddr *)&name, &size);
}

static const struct hook {
	enum tg_op op;
	const char *label;
	void (*prepare)(int fd); /* as many times before */
	void (*call)(int fd);
} hooks[] = {
	{TG_OP_CONNECT, "connect4", NULL, do_connect},
	{TG_OP_BIND, "bind4", NULL, do_bind},
	{TG_OP_SENDMSG, "sendmsg4", NULL, do_sendmsg},
	{TG_OP_RECVMSG, "recvmsg4", do_sendmsg, do_recvmsg},
	{TG_OP_GETPEERNAME, "getpeername4", do_connect, do_getpeername},
	{TG_OP_GETSOCKNAME, "getsockname4", NULL, do_getsockname},
};

/* --- Rounds ---------------------------------------------------------------------------- */

static double time_hook(const struct hook *hook, int fd)
{
	double start;

	for (int i = 0; hook->prepare && i < CALLS; i++)
		hook->prepare(fd);
	start = now_ns();
	for (int i = 0; i < CALLS; i++)
		hook->call(fd);
	return (now_ns() - start) / CALLS;
}

static void drain(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
		;
}

static double time_variant(const struct hook *hook, const struct variant *variant, int round)
{
	int fd = variant->sockets[round % VARIANT_SOCKETS];

	drain(fd);
	time_hook(hook, fd);
	drain(fd);
	return time_hook(hook, fd);
}

static void check(int err)
{
	if (err)
		die("%s", tg_error());
}

/* One rule that allows what is called, so that the program has something to find. */
static struct tg_gate *open_gate(enum tg_op op)
{
	struct tg_rule rule = {.size = sizeof(rule), .verb = TG_VERB_ALLOW, .ops = 1u << op};
	struct tg_policy *policy;
	struct tg_image *image;
	struct tg_gate *gate;
	struct tg_list *list;
	uint32_t index;

	check(tg_policy_new("bench", &policy));
	check(tg_policy_add(policy, &rule, &index));
	check(tg_list_new(TG_FIELD_ENDPOINT, &list));
	check(tg_list_add(list, "127.0.0.1"));
	check(tg_policy_match(policy, index, list));
	check(tg_policy_compile(policy, &image));
	check(tg_gate_open(NULL, &gate));
	check(tg_gate_publish(gate, image));
	tg_image_free(image);
	tg_list_free(list);
	tg_policy_free(policy);
	return gate;
}

static void report_hook(const struct hook *hook, const struct samples *bare,
			const struct samples *inside, const struct samples *outside)
{
	printf("{\"hook\":\"%s\",\"bare\":%.2f,\"added\":%.2f,\"tax\":%.2f}\n", hook->label,
	       samples_quantile(bare, NULL, 0.5), samples_quantile(inside, bare, 0.5),
	       samples_quantile(outside, bare, 0.5));
}

static void measure_hook(const struct hook *hook, const struct variant *in,
			 const struct variant *out)
{
	struct samples bare = {0}, inside = {0}, outside = {0};
	struct tg_gate *gate = open_gate(hook->op);

	for (int round = 0; round < ROUNDS + COLD; round++) {
		double without = time_variant(hook, in, round), with, beside;

		check(tg_gate_attach(gate, in->cgroup));
		with = time_variant(hook, in, round);
		beside = time_variant(hook, out, round);
		check(tg_gate_detach(gate));
		if (round < COLD)
			continue;
		samples_add(&bare, without);
		samples_add(&inside, with);
		samples_add(&outside, beside);
	}
	report_hook(hook, &bare, &inside, &outside);
	tg_gate_close(gate);
}

void measure_hooks(void)
{
	static struct variant in[COUNT_OF(hooks)], out[COUNT_OF(hooks)];

	say("MEASURE", "what each hook adds to its call");
	for (uint32_t i = 0; i < COUNT_OF(hooks); i++) {
		variant_place(&in[i], AF_INET);
		variant_place(&out[i], AF_INET);
		measure_hook(&hooks[i], &in[i], &out[i]);
	}
}
