/* SPDX-License-Identifier: MIT */
/*
 * slots.c - where a rule's counters live.
 *
 * A rule keeps its slot for as long as each image has a rule of its name.
 * Slots 0 to TG_OPS - 1 are those of the operations' defaults.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf/layout/image_layout.h"
#include "base/error.h"
#include "gate/gate.h"
#include "image/image.h"

#define SECOND_NS 1000000000ull

/* --- Names and slots ----------------------------------------------------------- */

/* Slots by name, for the time of one assignment: open addressing, slot + 1 or 0. */
struct name_index {
	uint32_t *place;
	uint32_t mask;
};

static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3ull;
	return hash ^ hash >> 32;
}

static int index_names(const struct tg_slot_table *table, struct name_index *index)
{
	uint32_t size = 16;

	while (size < table->room * 2)
		size *= 2;
	index->mask = size - 1;
	index->place = calloc(size, sizeof(*index->place));
	if (!index->place)
		return tg_fail(-ENOMEM, "out of memory: no room for the rules' slots");
	for (uint32_t slot = TG_OPS; slot < table->room; slot++) {
		uint64_t at;

		if (!table->name[slot])
			continue;
		for (at = hash_name(table->name[slot]); index->place[at & index->mask]; at++)
			;
		index->place[at & index->mask] = slot + 1;
	}
	return 0;
}

/* The slot that `name` has in the indexed table, or 0. */
static uint32_t find_name(const struct name_index *index, const struct tg_slot_table *table,
			  const char *name)
{
	for (uint64_t at = hash_name(name); index->place[at & index->mask]; at++) {
		uint32_t slot = index->place[at & index->mask] - 1;

		if (!strcmp(table->name[slot], name))
			return slot;
	}
	return 0;
}

static int take_slot(struct tg_slot_table *table, uint32_t rule, uint32_t slot, const char *name)
{
	table->name[slot] = strdup(name);
	table->of_rule[rule] = slot;
	return table->name[slot] ? 0
				 : tg_fail(-ENOMEM, "out of memory: no room for the rules' slots");
}

static const char *rule_name(const struct tg_image *image, uint32_t rule)
{
	struct tg_rule_info info = {.size = sizeof(info)};

	return tg_image_rule(image, rule, &info) ? "" : info.name;
}

/* First the rules whose names are known, then the others into what is free. */
static int fill_table(const struct tg_slot_table *old, const struct name_index *index,
		      const struct tg_image *image, struct tg_slot_table *table)
{
	uint32_t free_slot = TG_OPS;
	int error = 0;

	for (uint32_t rule = 0; rule < table->rules && !error; rule++) {
		const char *name = rule_name(image, rule);
		uint32_t slot = find_name(index, old, name);

		if (slot)
			error = take_slot(table, rule, slot, name);
	}
	for (uint32_t rule = 0; rule < table->rules && !error; rule++) {
		if (table->of_rule[rule])
			continue;
		/* Not what the old image still counts in: it is in force until this one is. */
		while (table->name[free_slot] || (free_slot < old->room && old->name[free_slot]))
			free_slot++;
		error = take_slot(table, rule, free_slot, rule_name(image, rule));
	}
	return error;
}

int tg_slots_assign(const struct tg_slot_table *old, const struct tg_image *image,
		    struct tg_slot_table *table)
{
	struct tg_image_info info = {.size = sizeof(info)};
	struct name_index index = {0};
	struct tg_slot_table made = {0};
	int error = tg_image_info(image, &info);

	if (error)
		return error;
	made.rules = info.rules;
	made.room = TG_OPS + old->room + info.rules;
	made.name = calloc(made.room, sizeof(*made.name));
	made.of_rule = calloc(made.rules + 1, sizeof(*made.of_rule));
	if (!made.name || !made.of_rule)
		error = tg_fail(-ENOMEM, "out of memory: no room for the rules' slots");
	if (!error)
		error = index_names(old, &index);
	if (!error)
		error = fill_table(old, &index, image, &made);
	free(index.place);
	if (error) {
		tg_slots_free(&made);
		return error;
	}
	while (made.room > TG_OPS && !made.name[made.room - 1])
		made.room--;
	*table = made;
	return 0;
}

uint32_t tg_slots_needed(const struct tg_slot_table *table)
{
	return table->room > TG_OPS ? table->room : TG_OPS;
}

void tg_slots_free(struct tg_slot_table *table)
{
	for (uint32_t slot = 0; table->name && slot < table->room; slot++)
		free(table->name[slot]);
	free(table->name);
	free(table->of_rule);
	*table = (struct tg_slot_table){0};
}

/* Write the slots into the rows of a copy of the image. */
void tg_slots_stamp(const struct tg_slot_table *table, void *rows)
{
	char *bytes = rows;
	const struct tg_image_about *about = (const void *)(bytes + TG_ROW_BYTES);
	struct tg_rule_entry *directory = (void *)(bytes + (size_t)about->blob_row * TG_ROW_BYTES);

	for (uint32_t rule = 0; rule < table->rules; rule++)
		directory[rule].slot = table->of_rule[rule];
	for (int place = 0; place < TG_PLACES; place++) {
		uint32_t row = tg_image_section_row(rows, place);
		const struct tg_section *section =
			(const void *)(bytes + (size_t)row * TG_ROW_BYTES);
		struct tg_term *term;

		if (!row)
			continue;
		term = (void *)(bytes + (size_t)section->term_row * TG_ROW_BYTES);
		for (uint32_t i = 0; i < section->terms; i++)
			term[i].slot = table->of_rule[term[i].rule];
	}
}

/* --- Counters -------------------------------------------------------------------- */

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

static struct tg_hits *hits_of(const struct tg_counter_maps *counters, uint32_t copy, uint32_t slot)
{
	return &counters->hits[(size_t)copy * counters->slot_count + slot];
}

/* Over all stripes. */
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

/* A rule's rate goes on where it was: the later of two arrival times holds. */
static void defer_log(struct tg_slot *slot, uint64_t until)
{
	uint64_t now = __atomic_load_n(&slot->log_until_ns, __ATOMIC_RELAXED);

	while (now < until && !__atomic_compare_exchange_n(&slot->log_until_ns, &now, until, false,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* Add what an old program set counted, which runs no more, to what the new one counts in. */
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
 * Under the rate that a rule has now, no event leads further ahead than the
 * window.  What does is of the rate that it had before, "1/h" perhaps, and
 * would keep the rule silent for as long.
 */
static void settle_log(struct tg_slot *slot, const struct tg_term *term)
{
	uint64_t until = __atomic_load_n(&slot->log_until_ns, __ATOMIC_RELAXED);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (until > ((uint64_t)now.tv_sec + term->log_window_s) * SECOND_NS + (uint64_t)now.tv_nsec)
		__atomic_compare_exchange_n(&slot->log_until_ns, &until, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

/* The rates of the image that is now in force also hold for what was counted before it. */
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

/* A slot whose rule is gone starts from nothing when it is taken again. */
void tg_counters_clear(struct tg_counter_maps *counters, const struct tg_slot_table *old,
		       const struct tg_slot_table *now)
{
	for (uint32_t slot = TG_OPS; slot < old->room && slot < counters->slot_count; slot++) {
		if (!old->name[slot] || (slot < now->room && now->name[slot]))
			continue;
		for (uint32_t copy = 0; copy < counters->copies; copy++)
			*hits_of(counters, copy, slot) = (struct tg_hits){0};
		counters->slots[slot] = (struct tg_slot){0};
	}
}

const char *tg_gate_rule_name(const struct tg_gate *gate, uint32_t index)
{
	return index < gate->table.rules ? gate->table.name[gate->table.of_rule[index]] : NULL;
}
