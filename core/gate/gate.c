/* SPDX-License-Identifier: MIT */
/*
 * gate.c - a running policy: publishing images into it.
 *
 * An image that the loaded programs can walk takes one write of one map slot.
 * One that needs more (another field, more rows, another hook) takes a wider
 * program set first: it gets the image in force, replaces the old programs
 * link by link without any call seeing a difference, and only then the new
 * image is put in force for all of them by the same one write.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "gate/gate.h"
#include "image/image.h"
#include "image/image_needs.h"
#include "gate/unsupported.h"
#include "gate/redirected.h"

#define DEFAULT_RING_BYTES (1u << 20)

int tg_gate_open(const struct tg_gate_options *options, struct tg_gate **out)
{
	uint32_t ring_bytes = options ? options->ring_bytes : 0;
	struct tg_gate *gate;

	if (ring_bytes & (ring_bytes - 1) || ring_bytes % (uint32_t)sysconf(_SC_PAGESIZE))
		return tg_fail(-EINVAL,
			       "ring_bytes: %u is not a power of two and a multiple of the page "
			       "size",
			       ring_bytes);
	gate = calloc(1, sizeof(*gate));
	if (!gate)
		return tg_fail(-ENOMEM, "out of memory: no room for a gate");
	gate->shared = (struct tg_shared_maps){
		.totals = -1,
		.origins = -1,
		.locals = -1,
		.sents = -1,
		.events = -1,
		.path_rewrites = -1,
		.tables = -1,
		.rates = -1,
		.clients = -1,
		.ring_bytes = ring_bytes ? ring_bytes : DEFAULT_RING_BYTES,
	};
	gate->image_fd = -1;
	gate->tables.lock_fd = -1;
	gate->tables.blocks[0] = gate->tables.blocks[1] = (struct tg_table){.fd = -1};
	*out = gate;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static size_t totals_bytes(uint32_t copies)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (copies * TG_HOOKS * sizeof(struct tg_hook_totals) + page - 1) / page * page;
}

static void unmap_shared(struct tg_gate *gate)
{
	tg_ring_unmap(&gate->ring);
	if (gate->totals)
		munmap(gate->totals, totals_bytes(gate->copies));
	gate->totals = NULL;
}

void tg_gate_close(struct tg_gate *gate)
{
	if (!gate || tg_name_release(gate))
		return;
	tg_gate_detach(gate);
	tg_redirected_close(gate);
	tg_counters_unmap(&gate->counters);
	unmap_shared(gate);
	if (gate->loaded)
		tg_program_set_free(&gate->set);
	close_fd(&gate->image_fd);
	tg_shared_maps_close(&gate->shared, NULL);
	tg_slots_free(&gate->table);
	tg_gate_tables_free(gate);
	free(gate);
}

/* --- Publishing ------------------------------------------------------------------------ */

/* What a publish makes; on success the gate takes it over, on failure it goes. */
struct publication {
	struct tg_spec spec;
	uint32_t hooks;
	struct tg_slot_table table;
	struct tg_shared_maps shared; /* the gate's, and those that it had no need of before */
	struct tg_program_set set;    /* wider than the gate's, or the gate's own */
	struct tg_counter_maps counters;
	bool widens;
	int image_fd;
};

/* The shared maps are made by the first set; their mappings stay as long as the gate. */
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
	return tg_ring_map(&gate->ring, shared->events, shared->ring_bytes);
}

/* The image in force, put into a wider set, so that the set decides as the old one does. */
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

	/*
	 * Both images have to fit, the old one for as long as the links move.
	 * An on_error that changes does so with the programs: they never
	 * need it while there is an image.
	 */
	if (gate->loaded)
		tg_program_spec_widen(&new->spec, &gate->set.spec);
	error = tg_program_set_load(&new->spec, hooks, &new->shared, &new->set);
	if (error)
		return error;
	new->widens = true;
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
	if (!gate->loaded)
		unmap_shared(gate);
	tg_shared_maps_close(&new->shared, &gate->shared);
	/* The wider set may have judged calls before its links went back. */
	if (gate->loaded)
		tg_counters_fold(&gate->counters, &new->counters);
	tg_counters_unmap(&new->counters);
	if (new->widens)
		tg_program_set_free(&new->set);
	tg_slots_free(&new->table);
	close_fd(&new->image_fd);
}

/* Links to what the image needs, then the image itself; whatever fails is undone. */
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
		tg_links_undo(gate);
		if (new->widens)
			tg_links_move(gate, &new->set, &gate->set);
	}
	return error;
}

/* The image is in force: what only the old one needed goes. */
static void take_over(struct tg_gate *gate, struct publication *new, const void *rows, size_t bytes)
{
	tg_links_drop(gate, ~new->hooks);
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
	tg_counters_clear(&gate->counters, &gate->table, &new->table);
	tg_counters_settle(&gate->counters, &new->table, rows);
	tg_slots_free(&gate->table);
	gate->table = new->table;
	gate->hooks = new->hooks;
	close_fd(&gate->image_fd);
	gate->image_fd = new->image_fd;
	gate->image_bytes = bytes;
	gate->generation++;
}

int tg_gate_publish(struct tg_gate *gate, const struct tg_image *image)
{
	struct publication new = {.image_fd = -1, .shared = gate->shared};
	uint32_t tables[TG_MAX_TABLES + 1] = {0};
	size_t bytes;
	const void *rows = tg_image_bytes(image, &bytes);
	int error = tg_slots_assign(&gate->table, image, &new.table);

	if (error)
		return error;
	tg_program_spec_of_image(rows, tg_slots_needed(&new.table), &new.spec, &new.hooks);
	if (set_suffices(gate, &new))
		new.set = gate->set;
	else
		error = tg_unsupported_check(image) ?: load_wider(gate, &new);
	if (!error)
		error = tg_gate_tables_make(gate, rows, tables);
	if (!error)
		error = tg_gate_blocks_make(gate, rows, &new.table);
	if (!error && new.shared.tables >= 0)
		error = tg_gate_tables_install(gate, new.shared.tables);
	if (!error)
		error = tg_image_map_make(rows, bytes, &new.table, tables, gate->generation + 1,
					  new.set.spec.rows, &new.image_fd);
	if (!error)
		error = enforce(gate, &new);
	if (error)
		discard(gate, &new);
	else
		take_over(gate, &new, rows, bytes);
	tg_gate_tables_settle(gate, !error);
	tg_gate_blocks_settle(gate, !error);
	return error;
}
