/* SPDX-License-Identifier: MIT */
/*
 * publish.c - putting images in force.
 *
 * If the loaded programs cover an image, it is written to a free slot, and one store puts
 * it in force: the caller waits for no program, unless the slot was in use less than a
 * minute ago.  If the image needs more (another field, more rows, another hook), a wider
 * program set is loaded first.  That set gets the image in force and replaces the old
 * programs link by link, which no call can notice.  Only then does the same one store put
 * the new image in force for all of them.
 *
 * A process that is killed on the way leaves the old image in force, whole.
 */
#include <errno.h>

#include "base/error.h"
#include "gate/gate.h"
#include "gate/unsupported.h"
#include "image/image_needs.h"

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
	struct tg_image_slot slot; /* of the image */
	struct tg_image_slot copy; /* of the image in force, in a wider set */
};

/* --- What is in force ---------------------------------------------------------------------- */

/* Take up the image in force, which another process has published. */
static int take_up(struct tg_gate *gate, const struct tg_image_header *header, uint32_t deny)
{
	struct tg_slot_table slots;
	struct tg_image_slot slot;
	size_t bytes = (size_t)header->rows * TG_ROW_BYTES;
	int error;

	if (header->rows > gate->set.spec.rows)
		return tg_fail(-EFAULT, "the image in force is damaged: it has %u rows",
			       header->rows);
	error = tg_image_slot_map(&gate->set, header->generation, bytes, &slot);
	if (error)
		return error;
	error = tg_slots_read(slot.rows, gate->set.spec.slots, &slots);
	if (error) {
		tg_image_slot_unmap(&slot);
		return error;
	}
	tg_gate_lock(gate);
	tg_slots_free(&gate->slots);
	gate->slots = slots;
	gate->generation = header->generation;
	gate->generations.ended = gate->generation - 1;
	gate->image_bytes = bytes;
	gate->deny_on_error = deny;
	tg_gate_lists_drop(gate);
	tg_gate_lists_keep(gate, &slot);
	tg_gate_unlock(gate);
	return 0;
}

/*
 * See whether another process that holds the same programs has published since this one did.
 * How often is not known, so wait until no program reads any image before.  If it has loaded
 * wider programs, what it has published since is in their slots, and not known here.
 */
static int catch_up(struct tg_gate *gate)
{
	uint64_t in_force = gate->loaded ? tg_in_force(&gate->set) : 0;
	struct tg_image_header header;
	struct tg_image_slot slot;
	int error;

	if (!gate->loaded || (uint32_t)in_force == (uint32_t)gate->generation)
		return 0;
	error = tg_grace_wait(&gate->generations.grace);
	if (!error)
		error = tg_image_slot_map(&gate->set, in_force, sizeof(header), &slot);
	if (error)
		return error;
	header = *(const struct tg_image_header *)slot.rows;
	tg_image_slot_unmap(&slot);
	return take_up(gate, &header, TG_DENY_ON_ERROR(in_force));
}

/* Make sure that no program reads the slot of the next generation. */
static int make_room(struct tg_gate *gate)
{
	uint64_t next = gate->generation + 1, images = gate->set.spec.images;
	uint64_t ended = tg_generations_ended(&gate->generations, gate->generation);
	int error = 0;

	if (gate->loaded && next > ended + images)
		error = tg_generations_wait(&gate->generations, gate->generation - 1);
	if (error)
		return error;
	tg_gate_lock(gate);
	tg_gate_lists_settle(gate);
	tg_gate_unlock(gate);
	return 0;
}

/* --- Preparing ------------------------------------------------------------------------------ */

static int assign(struct tg_gate *gate, const struct tg_image *image, struct tg_slot_table *slots)
{
	return tg_slots_assign(&gate->slots, gate->generation, gate->generations.ended, image,
			       slots);
}

/* It takes less time to wait for the programs that count in old slots than to load others. */
static int assign_slots(struct tg_gate *gate, const struct tg_image *image,
			struct tg_slot_table *slots)
{
	uint64_t before = gate->generation ? gate->generation - 1 : 0;
	int error = assign(gate, image, slots);

	if (error || !gate->loaded || gate->generations.ended == before ||
	    tg_slots_needed(slots) <= gate->set.spec.slots)
		return error;
	tg_slots_free(slots);
	return tg_generations_wait(&gate->generations, before) ?: assign(gate, image, slots);
}

/* The first set makes these maps.  They stay mapped until the gate is closed. */
static int map_shared(struct tg_gate *gate, const struct tg_shared_maps *shared, uint32_t copies)
{
	int error = 0;

	if (gate->totals)
		return 0;
	error = tg_grace_make(&gate->generations.grace);
	if (!error)
		error = tg_gate_map_totals(gate, shared->totals, copies);
	if (!error)
		error = tg_ring_map(&gate->ring, shared->events, shared->ring_bytes);
	return error ?: tg_ring_watch(shared->events, &gate->wait_fd);
}

/* Put the image in force into a wider set, so that the set decides as the old one does. */
static int hand_over_image(const struct tg_gate *gate, struct publication *new)
{
	int error;

	if (!gate->loaded) {
		tg_put_in_force(&new->set, 0, new->deny_on_error);
		return 0;
	}
	error = tg_image_slot_map(&new->set, gate->generation, gate->image_bytes, &new->copy);
	if (!error)
		error = tg_image_slot_copy(&gate->set, gate->generation, gate->image_bytes,
					   &new->copy);
	if (error)
		return error;
	tg_gate_lists_clear(&new->copy);
	tg_put_in_force(&new->set, gate->generation, gate->deny_on_error);
	return 0;
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
	if (gate->cgroup_count > 1)
		tg_program_set_nest(&new->set);
	error = tg_counters_map(&new->set, &new->counters);
	if (!error)
		error = map_shared(gate, &new->shared, new->spec.copies);
	if (!error)
		error = hand_over_image(gate, new);
	return error;
}

static bool set_suffices(const struct tg_gate *gate, const struct publication *new)
{
	return gate->loaded && tg_program_spec_covers(&gate->set.spec, &new->spec) &&
	       !(new->hooks & ~gate->set.hooks);
}

static int prepare_tables(struct tg_gate *gate, const struct publication *new, const void *rows,
			  uint32_t *tables)
{
	int error;

	tg_gate_lock(gate);
	error = tg_gate_tables_make(gate, rows, tables);
	if (!error)
		error = tg_gate_local_fill(gate);
	tg_gate_unlock(gate);
	if (!error && new->shared.tables >= 0)
		error = tg_gate_tables_install(gate, new->shared.tables);
	return error;
}

/* Everything that an image needs to be put in force. */
static int prepare(struct tg_gate *gate, const struct tg_image *image, struct publication *new)
{
	uint32_t tables[TG_MAX_TABLES + 1] = {0};
	size_t bytes;
	const void *rows = tg_image_bytes(image, &bytes);
	int error = assign_slots(gate, image, &new->slots);

	if (error)
		return error;
	tg_program_spec_of_image(rows, tg_slots_needed(&new->slots), &new->spec, &new->hooks);
	new->deny_on_error = tg_image_deny_on_error(rows);
	if (set_suffices(gate, new))
		new->set = gate->set;
	else
		error = tg_unsupported_check(image) ?: load_wider(gate, new);
	if (!error)
		error = prepare_tables(gate, new, rows, tables);
	if (!error)
		error = tg_image_slot_map(&new->set, gate->generation + 1, bytes, &new->slot);
	if (error)
		return error;
	tg_image_slot_write(&new->slot, rows, &new->slots, tables);
	tg_gate_lock(gate);
	if (gate->loaded)
		tg_counters_clear(&gate->counters, &gate->slots, &new->slots);
	error = tg_name_history_add(&gate->names, image, gate->generation + 1);
	tg_gate_unlock(gate);
	return error;
}

/* --- Putting in force ------------------------------------------------------------------------ */

/* Attach what the image needs, then put the image in force.  A failure undoes all of it. */
static int enforce(struct tg_gate *gate, const struct publication *new)
{
	int error = 0;

	if (new->widens)
		error = tg_links_move(gate, &gate->set, &new->set);
	if (error)
		return error;
	error = tg_links_add(gate, &new->set, new->hooks);
	if (error) {
		tg_links_undo(gate, &new->set);
		if (new->widens)
			tg_links_move(gate, &new->set, &gate->set);
		return error;
	}
	tg_put_in_force(&new->set, gate->generation + 1, new->deny_on_error);
	tg_generation_replaced(&gate->generations, gate->generation);
	return 0;
}

/*
 * Wait for the programs that run with what is dropped next: the counters of one of the two
 * program sets, or live tables.  If this fails, some counts may be lost, and tables stay
 * until the next publish.
 */
static void wait_for_programs(struct tg_gate *gate, const struct publication *new, bool published)
{
	if (published && (new->widens || tg_gate_tables_leave(gate)))
		tg_generations_wait(&gate->generations, gate->generation);
	else if (!published && new->widens && gate->loaded)
		tg_grace_wait(&gate->generations.grace);
}

static void discard(struct tg_gate *gate, struct publication *new)
{
	if (!gate->loaded) {
		tg_gate_close_ring(gate);
		tg_gate_unmap_totals(gate);
		tg_grace_close(&gate->generations.grace);
	}
	tg_shared_maps_close(&new->shared, &gate->shared);
	/* The wider set may have decided calls before its links were moved back. */
	if (gate->loaded)
		tg_counters_fold(&gate->counters, &new->counters);
	if (new->copy.rows)
		tg_gate_lists_take_back(gate, &new->copy);
	tg_counters_unmap(&new->counters);
	tg_image_slot_unmap(&new->copy);
	tg_image_slot_unmap(&new->slot);
	if (new->widens)
		tg_program_set_free(&new->set);
	tg_slots_free(&new->slots);
}

/* The image is in force: drop what only the old one needed. */
static void take_over(struct tg_gate *gate, struct publication *new)
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
	tg_counters_settle(&gate->counters, &new->slots, new->slot.rows);
	tg_slots_free(&gate->slots);
	gate->slots = new->slots;
	gate->hooks = new->hooks;
	gate->image_bytes = new->slot.bytes;
	gate->deny_on_error = new->deny_on_error;
	gate->generation++;
	tg_gate_lists_keep(gate, &new->copy);
	tg_gate_lists_keep(gate, &new->slot);
	tg_gate_lists_settle(gate);
}

static int publish(struct tg_gate *gate, const struct tg_image *image)
{
	struct publication new = {.shared = gate->shared};
	int error = catch_up(gate) ?: make_room(gate);

	if (error)
		return error;
	error = prepare(gate, image, &new) ?: enforce(gate, &new);
	wait_for_programs(gate, &new, !error);
	tg_gate_lock(gate);
	if (error)
		discard(gate, &new);
	else
		take_over(gate, &new);
	tg_name_history_settle(&gate->names, !error);
	tg_gate_tables_settle(gate, !error);
	tg_gate_unlock(gate);
	return error;
}

/* Loading programs may take seconds. */
#define PATIENCE_S 30

int tg_gate_publish(struct tg_gate *gate, const struct tg_image *image, uint64_t *generation)
{
	int error = tg_gate_check_control(gate, "publish");

	if (!error)
		error = TG_REQUIRE(image);
	if (!error)
		error = tg_lock_file_lock(gate->publish_lock, 0, PATIENCE_S);
	if (error)
		return error == -EBUSY ? tg_fail(error,
						 "publish: another process has been publishing "
						 "to this gate for %d seconds: end the process "
						 "that hangs, or try again",
						 PATIENCE_S)
				       : error;
	error = publish(gate, image);
	tg_lock_file_unlock(gate->publish_lock, 0);
	if (!error && generation)
		*generation = gate->generation;
	return error;
}
