/* SPDX-License-Identifier: MIT */
/* counters.c - the counters that the programs write: hits, and the state of the log rate. */
#include "gate/counters.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/boot_time.h"
#include "base/error.h"
#include "base/mapping.h"
#include "image/image.h"

#define SECOND_NS 1000000000ull

/* How often to try to write what others write at the same time. */
#define MOST_TRIES 1000

static size_t whole_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static size_t hits_bytes(const struct tg_counter_maps *counters)
{
	return whole_pages((size_t)counters->slot_count * counters->copies *
			   sizeof(struct tg_hits));
}

static size_t slots_bytes(const struct tg_counter_maps *counters)
{
	return whole_pages(counters->slot_count * sizeof(struct tg_slot));
}

int tg_counters_map(const struct tg_program_set *set, struct tg_counter_maps *counters)
{
	struct tg_counter_maps made = {.slot_count = set->spec.slots, .copies = set->spec.copies};

	made.hits = mmap(NULL, hits_bytes(&made), PROT_READ | PROT_WRITE, MAP_SHARED, set->hits, 0);
	if (made.hits == MAP_FAILED)
		return tg_fail_errno(-errno, "cannot map the counters");
	made.slots =
		mmap(NULL, slots_bytes(&made), PROT_READ | PROT_WRITE, MAP_SHARED, set->slots, 0);
	if (made.slots == MAP_FAILED) {
		int error = -errno;

		munmap(made.hits, hits_bytes(&made));
		return tg_fail_errno(error, "cannot map the counters");
	}
	*counters = made;
	return 0;
}

void tg_counters_unmap(struct tg_counter_maps *counters)
{
	if (!counters->hits)
		return;
	munmap(counters->hits, hits_bytes(counters));
	munmap(counters->slots, slots_bytes(counters));
	*counters = (struct tg_counter_maps){0};
}

int tg_counters_protect(const struct tg_program_set *set, const struct tg_counter_maps *counters)
{
	return tg_mapping_protect(counters->hits, hits_bytes(counters), set->hits)
		       ?: tg_mapping_protect(counters->slots, slots_bytes(counters), set->slots);
}

static struct tg_hits *hits_of(const struct tg_counter_maps *counters, uint32_t copy, uint32_t slot)
{
	return &counters->hits[(size_t)copy * counters->slot_count + slot];
}

static struct tg_hits sum_hits(const struct tg_counter_maps *counters, uint32_t slot)
{
	struct tg_hits sum = {0};

	for (uint32_t copy = 0; copy < counters->copies; copy++) {
		const struct tg_hits *hits = hits_of(counters, copy, slot);
		uint64_t last = __atomic_load_n(&hits->last_ns, __ATOMIC_RELAXED);

		sum.count += __atomic_load_n(&hits->count, __ATOMIC_RELAXED);
		sum.last_ns = last > sum.last_ns ? last : sum.last_ns;
	}
	return sum;
}

void tg_counters_read(const struct tg_counter_maps *maps, uint32_t slot,
		      struct tg_counters *counters)
{
	struct tg_hits sum = sum_hits(maps, slot);

	*counters = (struct tg_counters){
		.hits = sum.count,
		.suppressed = __atomic_load_n(&maps->slots[slot].suppressed, __ATOMIC_RELAXED),
		.last_ns = sum.last_ns,
	};
}

/* A rule's rate continues where it was: the later of two arrival times applies. */
static void defer_log(struct tg_slot *slot, uint64_t until)
{
	uint64_t now = __atomic_load_n(&slot->log_until_ns, __ATOMIC_RELAXED);

	for (int tries = 0; now < until && tries < MOST_TRIES; tries++)
		if (__atomic_compare_exchange_n(&slot->log_until_ns, &now, until, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
}

void tg_counters_fold(struct tg_counter_maps *into, const struct tg_counter_maps *from)
{
	for (uint32_t slot = 0; slot < from->slot_count && slot < into->slot_count; slot++) {
		struct tg_hits sum = sum_hits(from, slot), *hits = hits_of(into, 0, slot);

		__atomic_fetch_add(&hits->count, sum.count, __ATOMIC_RELAXED);
		if (sum.last_ns > sum_hits(into, slot).last_ns)
			__atomic_store_n(&hits->last_ns, sum.last_ns, __ATOMIC_RELAXED);
		__atomic_fetch_add(&into->slots[slot].suppressed, from->slots[slot].suppressed,
				   __ATOMIC_RELAXED);
		__atomic_fetch_add(&into->slots[slot].log_seen, from->slots[slot].log_seen,
				   __ATOMIC_RELAXED);
		defer_log(&into->slots[slot], from->slots[slot].log_until_ns);
	}
}

/*
 * Under a rule's present rate no arrival time is further ahead than the window.
 * One that is comes from the rate that the rule had before, perhaps "1/h", and
 * would keep the rule silent for that long.
 */
static void settle_log(struct tg_slot *slot, const struct tg_term *term)
{
	uint64_t until = __atomic_load_n(&slot->log_until_ns, __ATOMIC_RELAXED);

	if (until > tg_boot_ns() + (uint64_t)term->log_window_s * SECOND_NS)
		__atomic_compare_exchange_n(&slot->log_until_ns, &until, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

void tg_counters_settle(struct tg_counter_maps *counters, const struct tg_slot_table *table,
			const void *rows)
{
	const struct tg_section *section;

	for (int place = 0; (section = tg_image_section_next(rows, &place)); place++) {
		const struct tg_term *terms = tg_image_terms(rows, section);

		for (uint32_t i = 0; i < section->terms; i++)
			if (terms[i].log_interval_us)
				settle_log(&counters->slots[table->of_rule[terms[i].rule]],
					   &terms[i]);
	}
}

void tg_counters_clear(struct tg_counter_maps *counters, const struct tg_slot_table *old,
		       const struct tg_slot_table *now)
{
	for (uint32_t slot = TG_OP_COUNT; slot < now->count && slot < counters->slot_count;
	     slot++) {
		if (!tg_slot_is_new(old, now, slot))
			continue;
		for (uint32_t copy = 0; copy < counters->copies; copy++)
			*hits_of(counters, copy, slot) = (struct tg_hits){0};
		counters->slots[slot] = (struct tg_slot){0};
	}
}
