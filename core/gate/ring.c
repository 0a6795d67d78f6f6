/* SPDX-License-Identifier: MIT */
/*
 * ring.c - the records of events, read where the kernel wrote them.
 *
 * All records have the same size, so adjacent records are an array whose
 * elements begin with the kernel's eight-byte header.  The data is mapped twice
 * in a row, so that the array continues past the ring's end.
 * (Layout: kernel/bpf/ringbuf.c.)
 */
#include "gate/gate.h"

#include <errno.h>
#include <linux/bpf.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "tidegate_private.h"

_Static_assert(sizeof(struct tg_event_record) % 8 == 0, "records are at multiples of eight");

int tg_ring_map(struct tg_ring *ring, int fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *consumer, *producer;

	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return tg_fail_errno(-errno, "cannot map the event ring");
	producer = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (producer == MAP_FAILED) {
		int error = -errno;

		munmap(consumer, page);
		return tg_fail_errno(error, "cannot map the event ring");
	}
	*ring = (struct tg_ring){
		.consumer = consumer,
		.producer = producer,
		.data = (const char *)producer + page,
		.bytes = bytes,
		.page = page,
	};
	return 0;
}

void tg_ring_unmap(struct tg_ring *ring)
{
	if (!ring->data)
		return;
	munmap(ring->consumer, ring->page);
	munmap((void *)ring->producer, ring->page + 2 * ring->bytes);
	*ring = (struct tg_ring){0};
}

/*
 * The mapping holds the ring's file, so the file stays in the epoll set when its last
 * descriptor is closed.
 */
int tg_ring_watch(int fd, int *wait_fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) {
		int error = tg_fail_errno(-errno, "cannot wait for the event ring");

		if (set >= 0)
			close(set);
		return error;
	}
	*wait_fd = set;
	return 0;
}

static int fail_unpublished(void)
{
	return tg_fail(-ENOENT, "the gate has no events before its first publish");
}

int tg_gate_event_fd(const struct tg_gate *gate)
{
	int error = tg_gate_check_right(gate, TG_MAY_EVENTS, "event_fd");

	if (!error && gate->wait_fd < 0)
		error = fail_unpublished();
	return error ?: gate->wait_fd;
}

/*
 * Where the next record starts.  Whoever has read before may have left any number there: from one
 * that cannot be right, all that the ring has now is skipped.
 */
static unsigned long consumed(const struct tg_ring *ring, unsigned long produced)
{
	unsigned long at = __atomic_load_n(ring->consumer, __ATOMIC_RELAXED);

	if (at % sizeof(struct tg_event_record) || produced - at > ring->bytes) {
		at = produced;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	return at;
}

/* How many records, at most `most`, are committed before the first that is not. */
static uint32_t count_ready(const char *at, size_t waiting, size_t most)
{
	uint32_t count = 0;

	if (most > waiting / sizeof(struct tg_event_record))
		most = waiting / sizeof(struct tg_event_record);
	while (count < most) {
		const uint32_t *header =
			(const void *)(at + count * sizeof(struct tg_event_record));

		if (__atomic_load_n(header, __ATOMIC_ACQUIRE) & BPF_RINGBUF_BUSY_BIT)
			break;
		count++;
	}
	return count;
}

int tg_ring_head(const struct tg_gate *gate, uint32_t most, const struct tg_event_record **records,
		 uint32_t *count)
{
	int error = tg_gate_check_reader(gate, "read_events");
	unsigned long produced, from;
	const char *at;

	if (!error && !gate->ring.data)
		error = fail_unpublished();
	if (!error)
		error = tg_gate_local_follow(gate);
	if (error)
		return error;
	produced = __atomic_load_n(gate->ring.producer, __ATOMIC_ACQUIRE);
	from = consumed(&gate->ring, produced);
	at = gate->ring.data + from % gate->ring.bytes;
	*count = count_ready(at, produced - from, most);
	*records = (const struct tg_event_record *)at;
	return 0;
}

int tg_ring_peek(struct tg_gate *gate, const struct tg_event_record **records, uint32_t *count)
{
	return tg_ring_head(gate, UINT32_MAX, records, count);
}

void tg_ring_consume(struct tg_gate *gate, uint32_t count)
{
	unsigned long produced, from;
	size_t waiting;

	if (!gate->ring.data)
		return;
	produced = __atomic_load_n(gate->ring.producer, __ATOMIC_ACQUIRE);
	from = consumed(&gate->ring, produced);
	waiting = (produced - from) / sizeof(struct tg_event_record);
	if (count > waiting)
		count = (uint32_t)waiting;
	__atomic_store_n(gate->ring.consumer, from + count * sizeof(struct tg_event_record),
			 __ATOMIC_RELEASE);
}

int tg_gate_wait(struct tg_gate *gate, int timeout_ms)
{
	int error = tg_gate_check_reader(gate, "wait");
	struct pollfd ready = {.events = POLLIN};
	int count;

	if (!error && !gate->ring.data)
		error = fail_unpublished();
	if (error)
		return error;
	ready.fd = gate->wait_fd;
	count = poll(&ready, 1, timeout_ms);
	if (count < 0)
		return tg_fail_errno(-errno, "cannot wait for events");
	return count > 0;
}
