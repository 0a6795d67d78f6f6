/* SPDX-License-Identifier: MIT */
/*
 * gate.c - a running policy: publishing images into it.
 *
 * If the loaded programs cover an image, publishing it is one write of one map
 * slot, which waits for running programs: tg_image_map_install().  If it needs more (another field,
 * more rows, another hook), a wider program set is loaded first.  That set gets the image in force
 * and replaces the old programs link by link, which no call can notice.  Only then does the same
 * one write put the new image in force for all of them.
 */
#include "gate/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mapping.h"
#include "base/struct_size.h"
#include "gate/redirected.h"
#include "gate/unsupported.h"
#include "image/image_needs.h"

#define DEFAULT_RING_BYTES (1u << 20)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int tg_gate_make(uint32_t ring_bytes, struct tg_gate **out)
{
	struct tg_gate *gate;
	int error;

	if (ring_bytes & (ring_bytes - 1) || ring_bytes % (uint32_t)sysconf(_SC_PAGESIZE))
		return tg_fail(-EINVAL,
			       "ring_bytes: %u is not a power of two and a multiple of the page "
			       "size",
			       ring_bytes);
	gate = calloc(1, sizeof(*gate));
	if (!gate)
		return tg_fail(-ENOMEM, "out of memory: no room for a gate");
	tg_shared_maps_init(&gate->shared, ring_bytes ? ring_bytes : DEFAULT_RING_BYTES);
	pthread_mutex_init(&gate->lock, NULL);
	gate->image_fd = gate->wait_fd = gate->address_watch = -1;
	gate->tables.lock_fd = gate->tables.readonly_lock_fd = -1;
	gate->tables.blocks[0] = gate->tables.blocks[1] = (struct tg_table){.fd = -1};
	gate->may = ~0u;
	error = tg_lock_file_make(&gate->reader_lock);
	if (error) {
		free(gate);
		return error;
	}
	*out = gate;
	return 0;
}

int tg_gate_new(const struct tg_gate_options *given, struct tg_gate **gate)
{
	struct tg_gate_options options = {0};
	int error = TG_REQUIRE(gate);

	if (!error && given)
		error = tg_struct_take(TG_STRUCT_KIND(tg_gate_options, 40), &options, given);
	if (!error)
		error = tg_check_bits("tg_gate_new: flags", options.flags, 0);
	if (error)
		return error;
	if (options.pin || options.bpffs)
		return tg_fail(-EOPNOTSUPP,
			       "%s: pinned gates are not supported yet: leave it NULL, and keep "
			       "the process that holds the gate running",
			       options.pin ? "pin" : "bpffs");
	if (!options.share)
		return tg_gate_make(options.ring_bytes, gate);
	if (!*options.share)
		return tg_fail(-EINVAL, "share: the name is empty");
	return tg_gate_shared(options.share, options.ring_bytes, gate);
}

static size_t totals_bytes(uint32_t copies)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (copies * TG_HOOK_COUNT * sizeof(struct tg_hook_totals) + page - 1) / page * page;
}

static void unmap_totals(struct tg_gate *gate)
{
	if (gate->totals)
		munmap(gate->totals, totals_bytes(gate->copies));
	gate->totals = NULL;
}

void tg_gate_drop_control(struct tg_gate *gate)
{
	struct tg_shared_maps kept;

	tg_links_release(gate);
	tg_redirected_close(gate);
	if (gate->loaded)
		tg_program_set_free(&gate->set);
	gate->loaded = false;
	close_fd(&gate->image_fd);
	tg_shared_maps_init(&kept, gate->shared.ring_bytes);
	kept.events = gate->shared.events;
	tg_shared_maps_close(&gate->shared, &kept);
	gate->shared = kept;
}

static void close_ring(struct tg_gate *gate)
{
	tg_ring_unmap(&gate->ring);
	close_fd(&gate->wait_fd);
	close_fd(&gate->address_watch);
}

void tg_gate_drop_events(struct tg_gate *gate)
{
	close_ring(gate);
	close_fd(&gate->shared.events);
	close_fd(&gate->reader_lock);
}

void tg_gate_drop_ring_map(struct tg_gate *gate)
{
	close_fd(&gate->shared.events);
}

void tg_gate_drop_counters(struct tg_gate *gate)
{
	tg_counters_unmap(&gate->counters);
	unmap_totals(gate);
	tg_gate_blocks_close(gate);
}

int tg_gate_protect_counters(struct tg_gate *gate)
{
	int error = 0;

	if (gate->loaded)
		error = tg_counters_protect(&gate->set, &gate->counters)
				?: tg_mapping_protect(gate->totals, totals_bytes(gate->copies),
						      gate->shared.totals);
	if (!error)
		error = tg_gate_blocks_restrict(gate);
	if (error)
		tg_gate_drop_counters(gate);
	return error;
}

void tg_gate_free(struct tg_gate *gate)
{
	tg_gate_drop_control(gate);
	tg_links_close(gate);
	tg_gate_drop_events(gate);
	tg_gate_drop_counters(gate);
	tg_gate_tables_free(gate);
	tg_slots_free(&gate->slots);
	tg_name_history_free(&gate->names);
	free(gate);
}

/* --- Publishing ------------------------------------------------------------------------ */

/* What a publish makes.  The gate takes it over on success; it is discarded on failure. */
struct publication {
	struct tg_spec spec;
	uint32_t hooks;
	uint32_t deny_on_error; /* operations, bits */
	struct tg_slot_table slots;
	struct tg_shared_maps shared; /* the gate's, and those that it did not need before */
	struct tg_program_set set;    /* the gate's, or with `widens` a wider one */
	struct tg_counter_maps counters;
	bool widens;
	int image_fd;
};

/* The first set makes these maps.  They stay mapped until the gate is closed. */
static int map_shared(struct tg_gate *gate, const struct tg_shared_maps *shared, uint32_t copies)
{
	void *totals;

	if (gate->totals)
		return 0;
	totals = mmap(NULL, totals_bytes(copies), PROT_READ | PROT_WRITE, MAP_SHARED,
		      shared->totals, 0);
	if (totals == MAP_FAILED)
		return tg_fail_errno(-errno, "cannot map the hooks' counters");
	gate->totals = totals;
	gate->copies = copies;
	return tg_ring_map(&gate->ring, shared->events, shared->ring_bytes)
		       ?: tg_ring_watch(shared->events, &gate->wait_fd);
}

/* Put the image in force into a wider set, so that the set decides as the old one does. */
static int hand_over_image(const struct tg_gate *gate, const struct tg_program_set *set)
{
	int fd;
	int error;

	if (gate->image_fd < 0)
		return 0;
	error = tg_image_map_copy(gate->image_fd, gate->image_bytes, set->spec.rows, &fd);
	if (error)
		return error;
	error = tg_image_map_install(set->image, fd);
	close(fd);
	return error;
}

static int load_wider(struct tg_gate *gate, struct publication *new)
{
	uint32_t hooks = new->hooks | gate->hooks;
	int error;

	/* Both images must fit: the old one is in force while the links move. */
	if (gate->loaded)
		tg_program_spec_widen(&new->spec, &gate->set.spec);
	error = tg_program_set_load(&new->spec, hooks, &new->shared, &new->set);
	if (error)
		return error;
	new->widens = true;
	tg_program_set_on_error(&new->set, gate->loaded ? gate->deny_on_error : new->deny_on_error);
	if (gate->cgroup_count > 1)
		tg_program_set_nest(&new->set);
	error = tg_counters_map(&new->set, &new->counters);
	if (!error)
		error = map_shared(gate, &new->shared, new->spec.copies);
	if (!error)
		error = hand_over_image(gate, &new->set);
	return error;
}

static bool set_suffices(const struct tg_gate *gate, const struct publication *new)
{
	return gate->loaded && tg_program_spec_covers(&gate->set.spec, &new->spec) &&
	       !(new->hooks & ~gate->set.hooks);
}

static void discard(struct tg_gate *gate, struct publication *new)
{
	if (!gate->loaded) {
		close_ring(gate);
		unmap_totals(gate);
	}
	tg_shared_maps_close(&new->shared, &gate->shared);
	/* The wider set may have decided calls before its links were moved back. */
	if (gate->loaded)
		tg_counters_fold(&gate->counters, &new->counters);
	tg_counters_unmap(&new->counters);
	if (new->widens)
		tg_program_set_free(&new->set);
	tg_slots_free(&new->slots);
	close_fd(&new->image_fd);
}

/* Attach what the image needs, then install the image.  A failure undoes all of it. */
static int enforce(struct tg_gate *gate, const struct publication *new)
{
	int error = 0;

	if (new->widens)
		error = tg_links_move(gate, &gate->set, &new->set);
	if (error)
		return error;
	error = tg_links_add(gate, &new->set, new->hooks);
	if (!error)
		error = tg_image_map_install(new->set.image, new->image_fd);
	if (error) {
		tg_links_undo(gate, &new->set);
		if (new->widens)
			tg_links_move(gate, &new->set, &gate->set);
	}
	return error;
}

/* The image is in force: drop what only the old one needed. */
static void take_over(struct tg_gate *gate, struct publication *new, const void *rows, size_t bytes)
{
	tg_links_drop(gate, &new->set, ~new->hooks);
	gate->shared = new->shared;
	if (new->widens) {
		if (gate->loaded)
			tg_counters_fold(&new->counters, &gate->counters);
		tg_counters_unmap(&gate->counters);
		if (gate->loaded)
			tg_program_set_free(&gate->set);
		gate->set = new->set;
		gate->counters = new->counters;
		gate->loaded = true;
	}
	tg_counters_clear(&gate->counters, &gate->slots, &new->slots);
	tg_counters_settle(&gate->counters, &new->slots, rows);
	tg_slots_free(&gate->slots);
	gate->slots = new->slots;
	gate->hooks = new->hooks;
	close_fd(&gate->image_fd);
	gate->image_fd = new->image_fd;
	gate->image_bytes = bytes;
	gate->deny_on_error = new->deny_on_error;
	tg_program_set_on_error(&gate->set, gate->deny_on_error);
	gate->generation++;
}

static int publish(struct tg_gate *gate, const struct tg_image *image)
{
	struct publication new = {.image_fd = -1, .shared = gate->shared};
	uint32_t tables[TG_MAX_TABLES + 1] = {0};
	size_t bytes;
	const void *rows = tg_image_bytes(image, &bytes);
	int error = tg_slots_assign(&gate->slots, image, &new.slots);

	if (error)
		return error;
	tg_program_spec_of_image(rows, tg_slots_needed(&new.slots), &new.spec, &new.hooks);
	new.deny_on_error = tg_image_deny_on_error(rows);
	if (set_suffices(gate, &new))
		new.set = gate->set;
	else
		error = tg_unsupported_check(image) ?: load_wider(gate, &new);
	tg_gate_lock(gate);
	if (!error)
		error = tg_gate_tables_make(gate, rows, tables);
	if (!error)
		error = tg_gate_local_fill(gate);
	if (!error)
		error = tg_gate_blocks_make(gate, rows, &new.slots);
	tg_gate_unlock(gate);
	if (!error && new.shared.tables >= 0)
		error = tg_gate_tables_install(gate, new.shared.tables);
	if (!error)
		error = tg_image_map_make(rows, bytes, &new.slots, tables, gate->generation + 1,
					  new.set.spec.rows, &new.image_fd);
	if (!error) {
		tg_gate_lock(gate);
		error = tg_name_history_add(&gate->names, image, gate->generation + 1);
		tg_gate_unlock(gate);
	}
	if (!error)
		error = enforce(gate, &new);
	tg_gate_lock(gate);
	if (error)
		discard(gate, &new);
	else
		take_over(gate, &new, rows, bytes);
	tg_name_history_settle(&gate->names, !error);
	tg_gate_tables_settle(gate, !error);
	tg_gate_blocks_settle(gate, !error);
	tg_gate_unlock(gate);
	return error;
}

int tg_gate_publish(struct tg_gate *gate, const struct tg_image *image, uint64_t *generation)
{
	int error = tg_gate_check_control(gate, "publish");

	if (!error)
		error = TG_REQUIRE(image);
	if (!error)
		error = publish(gate, image);
	if (!error && generation)
		*generation = gate->generation;
	return error;
}
