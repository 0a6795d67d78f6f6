/* SPDX-License-Identifier: MIT */
/*
 * gate_tables.c - the live tables of a gate.  They are known by name, so that they
 * survive a publish, like a rule's counters.
 */
#include "gate/gate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "image/image_directory.h"
#include "image/image_services.h"
#include "image/image_tables.h"
#include "table/service.h"
#include "table/set.h"

#define RESTART "stop what holds the gate and start it again"

static struct tg_live *find(const struct tg_gate *gate, const char *name)
{
	for (uint32_t i = 0; i < gate->tables.count; i++)
		if (!strcmp(gate->tables.at[i]->name, name))
			return gate->tables.at[i];
	return NULL;
}

struct tg_live *tg_gate_live(const struct tg_gate *gate, const char *name, enum tg_table_kind kind)
{
	struct tg_live *live = find(gate, name);

	return live && live->table.fd >= 0 && live->kind == kind ? live : NULL;
}

static int add(struct tg_gate *gate, const char *name, struct tg_live **out)
{
	struct tg_live *live;

	if (gate->tables.count == TG_MAX_TABLES)
		return tg_fail(
			-E2BIG,
			"set \"%s\": a gate knows at most %u names of live tables: open a new one",
			name, TG_MAX_TABLES);
	live = calloc(1, sizeof(*live));
	if (live)
		live->name = strdup(name);
	if (!live || !live->name) {
		free(live);
		return tg_fail(-ENOMEM, "out of memory: no room for a set");
	}
	live->gate = gate;
	live->table = (struct tg_table){.fd = -1, .lock_fd = -1};
	gate->tables.at[gate->tables.count++] = live;
	*out = live;
	return 0;
}

static int make(struct tg_gate *gate, const void *rows, const struct tg_table_entry *entry,
		struct tg_live *live, uint32_t number)
{
	bool services = entry->kind == TG_TABLE_SERVICES;
	uint64_t table_rows =
		services ? tg_service_table_rows(entry->size) : tg_set_table_rows(entry->size);
	int error = tg_table_make_map(&live->table, live->name, table_rows);

	if (error)
		return error;
	live->fresh = true;
	live->kind = entry->kind;
	live->table.lock_fd = gate->tables.lock_fd;
	live->table.number = number;
	if (services) {
		tg_service_table_init(&live->table, entry->size);
		return tg_service_table_fill(&live->table, rows, entry);
	}
	tg_set_table_init(&live->table, entry->size, entry->ttl_ms);
	return tg_set_table_fill(&live->table, rows, entry);
}

/*
 * A table that exists keeps its contents.  Its capacity cannot change: other
 * processes have it mapped and would not learn of a new map.
 */
static int check_size(const struct tg_live *live, const struct tg_table_entry *entry)
{
	bool services = entry->kind == TG_TABLE_SERVICES;
	uint32_t size = services ? tg_service_books_of(&live->table)->size
				 : tg_set_books_of(&live->table)->size;

	if (live->kind != entry->kind)
		return tg_fail(
			-EEXIST,
			"%s \"%s\": in this gate the name is that of a live table of the other "
			"kind: give it another name, or " RESTART,
			services ? "services" : "set", live->name);
	if (entry->size <= size || !entry->sized)
		return 0;
	if (services)
		return tg_fail(
			-ENOSPC,
			"services \"%s\": have room for %u, the policy wants room for %u, and what "
			"is in force does not grow: give them another name, or " RESTART,
			live->name, size, entry->size);
	return tg_fail(-ENOSPC,
		       "set \"%s\": has room for %u elements, the policy wants room for %u, and "
		       "what is in force does not grow: give it another name, or " RESTART,
		       live->name, size, entry->size);
}

static int find_or_make(struct tg_gate *gate, const void *rows, uint32_t index, uint32_t *number)
{
	const struct tg_table_entry *entry = tg_image_table(rows, index);
	const char *name = tg_image_table_name(rows, entry);
	struct tg_live *live = find(gate, name);
	int error = 0;

	if (!live)
		error = add(gate, name, &live);
	if (error)
		return error;
	for (*number = 0; gate->tables.at[*number] != live; (*number)++)
		;
	live->named = true;
	return live->table.fd < 0 ? make(gate, rows, entry, live, *number)
				  : check_size(live, entry);
}

int tg_gate_tables_make(struct tg_gate *gate, const void *rows, uint32_t *numbers)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);
	int error = 0;

	if (about->tables && gate->tables.lock_fd < 0)
		error = tg_lock_file_make(&gate->tables.lock_fd);
	for (uint32_t i = 0; i < about->tables && !error; i++)
		if (tg_image_table(rows, i)->kind != TG_TABLE_BLOCKS)
			error = find_or_make(gate, rows, i, &numbers[i]);
	return error;
}

/* Tables to put into the outer map with one call. */
struct batch {
	__u32 number[TG_ALL_TABLES];
	int fd[TG_ALL_TABLES];
	__u32 count;
};

static void add_if_new(struct batch *batch, const struct tg_table *table, int outer)
{
	if (table->fd < 0 || tg_table_is_in(table, outer))
		return;
	batch->number[batch->count] = table->number;
	batch->fd[batch->count++] = table->fd;
}

/*
 * With one call, because the kernel waits for running programs: since Linux 6.8
 * once a call, before that once a table.
 */
int tg_gate_tables_install(struct tg_gate *gate, int outer)
{
	struct batch batch = {.count = 0};
	int error = 0;

	for (uint32_t i = 0; i < gate->tables.count; i++)
		add_if_new(&batch, &gate->tables.at[i]->table, outer);
	add_if_new(&batch, tg_gate_blocks_made(gate), outer);
	if (batch.count)
		error = bpf_map_update_batch(outer, batch.number, batch.fd, &batch.count, NULL);
	return error ? tg_fail_errno(error, "cannot put sets, services and backends in force") : 0;
}

void tg_gate_tables_settle(struct tg_gate *gate, bool published)
{
	for (uint32_t i = 0; i < gate->tables.count; i++) {
		struct tg_live *live = gate->tables.at[i];
		bool goes = published ? !live->named : live->fresh;

		if (goes && live->table.fd >= 0)
			tg_table_take_out(&live->table, gate->shared.tables);
		live->fresh = false;
		live->named = false;
	}
}

void tg_gate_tables_free(struct tg_gate *gate)
{
	for (uint32_t i = 0; i < gate->tables.count; i++) {
		if (gate->tables.at[i]->table.fd >= 0)
			tg_table_close(&gate->tables.at[i]->table);
		free(gate->tables.at[i]->name);
		free(gate->tables.at[i]);
	}
	for (uint32_t i = 0; i < 2; i++)
		if (gate->tables.blocks[i].fd >= 0)
			tg_table_close(&gate->tables.blocks[i]);
	if (gate->tables.lock_fd >= 0)
		close(gate->tables.lock_fd);
}
