/* SPDX-License-Identifier: MIT */
/*
 * measure_calls.c - measure in short batches that alternate between the variants, so that whatever
 * else the machine does affects all of them alike.
 *
 * Figures are compared round by round: the two batches were run within a millisecond or so of each
 * other, with the same destinations.
 */
#include "bench/measure_calls.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/group.h"

/* Calls in a batch. The warm-up is not timed: it refills the caches after another variant. */
#define BATCH   1024
#define WARM_UP 512

#define TRIES       8
#define TURN_ROUNDS 28
#define TURN_COLD   8

/* --- Batches -------------------------------------------------------------------- */

struct work {
	const struct variant *variant;
	const struct stream *stream;
	int socket;
	uint32_t from; /* in the stream */
	uint32_t batch, warm_up;
};

static socklen_t address_size(const union address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->in4) : sizeof(address->in6);
}

int call_once(const struct variant *variant, int socket, const union address *address)
{
	socklen_t size = address_size(address);
	int failed;

	if (variant->op == TG_OP_SENDMSG)
		failed = sendto(socket, "x", 1, 0, &address->any, size) < 0;
	else
		failed = connect(socket, &address->any, size);
	return failed ? errno : 0;
}

static void call_some(const struct work *work, uint32_t from, uint32_t count)
{
	const struct stream *stream = work->stream;
	socklen_t size = address_size(&stream->addresses[0]);
	bool sends = work->variant->op == TG_OP_SENDMSG;

	from += work->from;
	for (uint32_t i = from; i < from + count; i++) {
		const struct sockaddr *address = &stream->addresses[i & (stream->count - 1)].any;

		if (sends)
			sendto(work->socket, "x", 1, 0, address, size);
		else
			connect(work->socket, address, size);
	}
}

struct bpf_prog_info program_info(const struct variant *variant)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (variant->program >= 0 && bpf_obj_get_info_by_fd(variant->program, &info, &size))
		die("%s: cannot find its program: %s", variant->id, strerror(errno));
	return info;
}

/* How often this process lost its processor to another one. */
static long preemptions(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nivcsw;
}

static double time_calls(const struct work *work)
{
	double start = now_ns();

	call_some(work, work->warm_up, work->batch);
	return (now_ns() - start) / work->batch;
}

static double time_runs(const struct work *work)
{
	struct bpf_prog_info before = program_info(work->variant), after;

	call_some(work, work->warm_up, work->batch);
	after = program_info(work->variant);
	return (double)(after.run_time_ns - before.run_time_ns) / work->batch;
}

typedef double (*timer)(const struct work *);

/* A batch that was preempted is run again, because it also timed the other process. */
static double time_batch(const struct work *work, timer timer)
{
	double value = 0;

	for (int try = 0; try < TRIES; try++) {
		long before;

		call_some(work, 0, work->warm_up);
		before = preemptions();
		value = timer(work);
		if (preemptions() == before)
			break;
	}
	return value;
}

/* Run one batch of each variant with the same destinations. Each round begins with another one. */
static void one_round(struct group *group, timer timer, bool keep)
{
	for (uint32_t i = 0; i < group->count; i++) {
		struct variant *variant = &group->variants[(i + group->round) % group->count];
		uint32_t slow = variant->slow ? variant->slow : 1;
		struct work work = {
			.variant = variant,
			.stream = &group->stream,
			.socket = variant->sockets[group->round % VARIANT_SOCKETS],
			.from = group->cursor,
			.batch = BATCH / slow,
			.warm_up = WARM_UP / slow,
		};
		double value = time_batch(&work, timer);

		if (keep)
			samples_add(timer == time_calls ? &variant->call : &variant->run, value);
	}
	group->round++;
	group->cursor += BATCH + WARM_UP;
}

/*
 * Groups take turns of many rounds. The first rounds of a turn bring the group's tables back into
 * the caches, and are not kept. The turns are short and repeated, because the machine may be faster
 * or slower in a minute.
 */
static uint32_t measure(struct group *groups, uint32_t count, double seconds, timer timer)
{
	double end = now_ns() + seconds * 1e9;
	uint32_t turns = 0;

	for (; !turns || now_ns() < end; turns++)
		for (struct group *group = groups; group < groups + count; group++)
			for (uint32_t round = 0; round < TURN_ROUNDS; round++)
				one_round(group, timer, round >= TURN_COLD);
	return turns * (TURN_ROUNDS - TURN_COLD);
}

uint32_t measure_calls(struct group *groups, uint32_t count, double seconds)
{
	return measure(groups, count, seconds, time_calls);
}

int count_runs(void)
{
	int statistics = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (statistics < 0)
		die("cannot switch on the run time statistics of programs: %s",
		    strerror(-statistics));
	return statistics;
}

void measure_runs(struct group *groups, uint32_t count, double seconds)
{
	int statistics = count_runs();

	measure(groups, count, seconds, time_runs);
	close(statistics);
}
