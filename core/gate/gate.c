/* SPDX-License-Identifier: MIT */
/* gate.c - making and closing a gate, and dropping parts of it. */
#include "gate/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mapping.h"
#include "base/struct_size.h"
#include "gate/redirected.h"

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
	gate->wait_fd = gate->address_watch = gate->reader_lock = gate->publish_lock = -1;
	gate->tables.lock_fd = gate->tables.readonly_lock_fd = -1;
	gate->generations.grace = (struct tg_grace){-1, -1};
	gate->may = ~0u;
	error = tg_lock_file_make(&gate->reader_lock) ?: tg_lock_file_make(&gate->publish_lock);
	if (error) {
		close_fd(&gate->reader_lock);
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

int tg_gate_map_totals(struct tg_gate *gate, int fd, uint32_t copies)
{
	void *totals = mmap(NULL, totals_bytes(copies), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (totals == MAP_FAILED)
		return tg_fail_errno(-errno, "cannot map the hooks' counters");
	gate->totals = totals;
	gate->copies = copies;
	return 0;
}

void tg_gate_unmap_totals(struct tg_gate *gate)
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
	tg_grace_close(&gate->generations.grace);
	close_fd(&gate->publish_lock);
	tg_shared_maps_init(&kept, gate->shared.ring_bytes);
	kept.events = gate->shared.events;
	tg_shared_maps_close(&gate->shared, &kept);
	gate->shared = kept;
}

void tg_gate_close_ring(struct tg_gate *gate)
{
	tg_ring_unmap(&gate->ring);
	close_fd(&gate->wait_fd);
	close_fd(&gate->address_watch);
}

void tg_gate_drop_events(struct tg_gate *gate)
{
	tg_gate_close_ring(gate);
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
	tg_gate_unmap_totals(gate);
	tg_gate_lists_drop(gate);
}

int tg_gate_protect_counters(struct tg_gate *gate)
{
	int error = 0;

	if (gate->loaded)
		error = tg_counters_protect(&gate->set, &gate->counters)
				?: tg_mapping_protect(gate->totals, totals_bytes(gate->copies),
						      gate->shared.totals);
	if (!error)
		error = tg_gate_lists_restrict(gate);
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
