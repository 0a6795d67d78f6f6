/* SPDX-License-Identifier: MIT */
/*
 * ring.c - the events, read where the kernel wrote them.
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
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

_Static_assert(sizeof(struct tg_event) % 8 == 0, "records are at multiples of eight");

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

int tg_gate_event_fd(const struct tg_gate *gate)
{
	if (gate->shared.events < 0)
		return tg_fail(-ENOENT, "the gate has no events before its first publish");
	return gate->shared.events;
}

/* How many records are committed, from the consumer's position to the first that is not. */
static uint32_t count_ready(const struct tg_ring *ring, const char *at)
{
	unsigned long produced = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	size_t waiting = produced - *ring->consumer;
	size_t most = waiting / sizeof(struct tg_event);
	uint32_t count = 0;

	/* Nothing is mapped past the second mapping of the data. */
	if (most > ring->bytes / sizeof(struct tg_event))
		most = ring->bytes / sizeof(struct tg_event);
	while (count < most) {
		const uint32_t *header = (const void *)(at + count * sizeof(struct tg_event));

		if (__atomic_load_n(header, __ATOMIC_ACQUIRE) & BPF_RINGBUF_BUSY_BIT)
			break;
		count++;
	}
	return count;
}

int tg_gate_events(struct tg_gate *gate, const struct tg_event **events, uint32_t *count)
{
	const char *at;

	if (!gate->ring.data)
		return tg_fail(-ENOENT, "the gate has no events before its first publish");
	at = gate->ring.data + *gate->ring.consumer % gate->ring.bytes;
	*count = count_ready(&gate->ring, at);
	*events = (const struct tg_event *)at;
	return 0;
}

void tg_gate_consume(struct tg_gate *gate, uint32_t count)
{
	if (gate->ring.data)
		__atomic_store_n(gate->ring.consumer,
				 *gate->ring.consumer + count * sizeof(struct tg_event),
				 __ATOMIC_RELEASE);
}

int tg_gate_wait(struct tg_gate *gate, int timeout_ms)
{
	struct pollfd ready = {.fd = gate->shared.events, .events = POLLIN};
	int count;

	if (!gate->ring.data)
		return tg_fail(-ENOENT, "the gate has no events before its first publish");
	count = poll(&ready, 1, timeout_ms);
	if (count < 0 && errno != EINTR)
		return tg_fail_errno(-errno, "cannot wait for events");
	return count > 0;
}
