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
#include "base/nearest.h"
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

	return live && tg_table_is_there(&live->table) && live->kind == kind ? live : NULL;
}

static const char *word_of(enum tg_table_kind kind)
{
	return kind == TG_TABLE_SERVICES ? "services" : "set";
}

static enum tg_table_kind other_kind(enum tg_table_kind kind)
{
	return kind == TG_TABLE_SERVICES ? TG_TABLE_SET : TG_TABLE_SERVICES;
}

/* Look among the tables of a kind for the one that was meant.  The gate is locked. */
static void look_for(const struct tg_gate *gate, enum tg_table_kind kind,
		     struct tg_nearest *nearest)
{
	for (uint32_t i = 0; i < gate->tables.count; i++) {
		const struct tg_live *live = gate->tables.at[i];

		if (live->kind == kind && tg_table_is_there(&live->table))
			tg_nearest_try(nearest, live->name);
	}
}

/* -ENOENT, with a text: there is no such table, or it is of the other kind. */
static int not_found(const char *name, enum tg_table_kind kind, bool is_other,
		     struct tg_nearest *nearest)
{
	if (is_other)
		return tg_fail(-ENOENT, "%s \"%s\": this is %s", word_of(kind), name,
			       kind == TG_TABLE_SERVICES ? "a set" : "a table of services");
	return tg_fail(-ENOENT, "%s \"%s\": the policy in force declares none of this name%s",
		       word_of(kind), name,
		       tg_nearest_hint(nearest, ", or it was published after this process was "
						"forked"));
}

int tg_gate_find_live(const struct tg_gate *gate, const char *name, enum tg_table_kind kind,
		      struct tg_live **live)
{
	struct tg_nearest nearest;
	struct tg_live *found;
	bool is_other;
	int error = tg_gate_check_right(gate, TG_MAY_TABLES, word_of(kind));

	if (error)
		return error;
	tg_gate_lock(gate);
	found = tg_gate_live(gate, name, kind);
	is_other = tg_gate_live(gate, name, other_kind(kind));
	tg_nearest_start(&nearest, name);
	if (!found)
		look_for(gate, kind, &nearest);
	tg_gate_unlock(gate);
	if (!found)
		return not_found(name, kind, is_other, &nearest);
	*live = found;
	return 0;
}

int tg_live_enter(const struct tg_live *live)
{
	int error = tg_gate_check_right(live->gate, TG_MAY_TABLES, word_of(live->kind));

	if (error)
		return error;
	tg_table_enter(live->number);
	if (tg_table_is_there(&live->table))
		return 0;
	tg_table_leave(live->number);
	return tg_fail(-ENOENT, "%s \"%s\": the policy in force does not declare %s any more",
		       word_of(live->kind), live->name,
		       live->kind == TG_TABLE_SERVICES ? "them" : "it");
}

int tg_live_enter_change(const struct tg_live *live)
{
	int error = tg_live_enter(live);

	if (error || !tg_live_is_readonly(live))
		return error;
	tg_live_leave(live);
	return tg_fail(
		-EPERM,
		"%s \"%s\": readonly in the policy, and this process has restricted the gate: "
		"change %s in the process that made the gate",
		word_of(live->kind), live->name, live->kind == TG_TABLE_SERVICES ? "them" : "it");
}

void tg_live_leave(const struct tg_live *live)
{
	tg_table_leave(live->number);
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
	live->number = gate->tables.count;
	gate->tables.at[gate->tables.count++] = live;
	*out = live;
	return 0;
}

static int fill(struct tg_table *table, const void *rows, const struct tg_table_entry *entry)
{
	if (entry->kind == TG_TABLE_SERVICES) {
		tg_service_table_init(table, entry->size);
		return tg_service_table_fill(table, rows, entry);
	}
	tg_set_table_init(table, entry->size, entry->ttl_ms);
	return tg_set_table_fill(table, rows, entry);
}

/* Other threads may have pointers to it: they see a table only when it is complete. */
static int make(const void *rows, const struct tg_table_entry *entry, struct tg_live *live)
{
	bool services = entry->kind == TG_TABLE_SERVICES;
	uint64_t table_rows =
		services ? tg_service_table_rows(entry->size) : tg_set_table_rows(entry->size);
	struct tg_table table;
	int error = tg_table_make_map(&table, live->name, table_rows);

	if (error)
		return error;
	error = fill(&table, rows, entry);
	if (error) {
		tg_table_close(&table);
		return error;
	}
	table.number = live->number;
	tg_table_enter(live->number);
	live->fresh = true;
	live->kind = entry->kind;
	live->table = table;
	tg_table_leave(live->number);
	return 0;
}

/*
 * A table that exists keeps its contents.  Its capacity cannot change: other
 * processes have it mapped and would not learn of a new map.
 */
static int check_size(const struct tg_live *live, const struct tg_table_entry *entry)
{
	bool services = entry->kind == TG_TABLE_SERVICES;
	uint32_t size = live->table.parts.size;

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

/* Processes that were restricted before keep what they have. */
static void set_readonly(struct tg_live *live, bool readonly)
{
	const struct tg_gate_tables *tables = &live->gate->tables;

	tg_table_enter(live->number);
	live->readonly = readonly;
	live->table.lock_fd = readonly ? tables->readonly_lock_fd : tables->lock_fd;
	tg_table_leave(live->number);
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
	*number = live->number;
	live->named = true;
	error = tg_table_is_there(&live->table) ? check_size(live, entry) : make(rows, entry, live);
	if (!error)
		set_readonly(live, entry->flags & TG_TABLE_READONLY);
	return error;
}

int tg_gate_tables_make(struct tg_gate *gate, const void *rows, uint32_t *numbers)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);
	int error = 0;

	if (about->tables && gate->tables.lock_fd < 0)
		error = tg_lock_file_make(&gate->tables.lock_fd);
	if (about->tables && gate->tables.readonly_lock_fd < 0 && !error)
		error = tg_lock_file_make(&gate->tables.readonly_lock_fd);
	for (uint32_t i = 0; i < about->tables && !error; i++)
		if (tg_image_table(rows, i)->kind != TG_TABLE_BLOCKS)
			error = find_or_make(gate, rows, i, &numbers[i]);
	return error;
}

/* Tables to put into the outer map with one call. */
struct batch {
	__u32 number[TG_MAX_TABLES];
	int fd[TG_MAX_TABLES];
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
	if (batch.count)
		error = bpf_map_update_batch(outer, batch.number, batch.fd, &batch.count, NULL);
	return error ? tg_fail_errno(error, "cannot put sets and services in force") : 0;
}

bool tg_gate_tables_leave(const struct tg_gate *gate)
{
	for (uint32_t i = 0; i < gate->tables.count; i++)
		if (!gate->tables.at[i]->named && tg_table_is_there(&gate->tables.at[i]->table))
			return true;
	return false;
}

void tg_gate_tables_settle(struct tg_gate *gate, bool published)
{
	bool alone = gate->generations.ended + 1 >= gate->generation;

	for (uint32_t i = 0; i < gate->tables.count; i++) {
		struct tg_live *live = gate->tables.at[i];
		bool goes = published ? !live->named && alone : live->fresh;

		if (goes && tg_table_is_there(&live->table)) {
			tg_table_enter(live->number);
			tg_table_take_out(&live->table, gate->shared.tables);
			tg_table_leave(live->number);
		}
		live->fresh = false;
		live->named = false;
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void tg_gate_tables_close(struct tg_gate *gate)
{
	for (uint32_t i = 0; i < gate->tables.count; i++) {
		struct tg_live *live = gate->tables.at[i];

		tg_table_enter(live->number);
		if (tg_table_is_there(&live->table))
			tg_table_close(&live->table);
		tg_table_leave(live->number);
	}
	close_fd(&gate->tables.lock_fd);
	close_fd(&gate->tables.readonly_lock_fd);
}

static int restrict_table(struct tg_live *live)
{
	if (live->readonly)
		live->table.lock_fd = -1;
	return tg_table_restrict(&live->table, live->readonly);
}

int tg_gate_tables_restrict(struct tg_gate *gate)
{
	bool writes = false;
	int error = 0;

	for (uint32_t i = 0; i < gate->tables.count; i++) {
		struct tg_live *live = gate->tables.at[i];

		tg_table_enter(live->number);
		if (tg_table_is_there(&live->table))
			error = restrict_table(live) ?: error;
		writes |= tg_table_is_there(&live->table) && !live->readonly;
		tg_table_leave(live->number);
	}
	close_fd(&gate->tables.readonly_lock_fd);
	if (!writes)
		close_fd(&gate->tables.lock_fd);
	return error;
}

void tg_gate_tables_free(struct tg_gate *gate)
{
	tg_gate_tables_close(gate);
	for (uint32_t i = 0; i < gate->tables.count; i++) {
		free(gate->tables.at[i]->name);
		free(gate->tables.at[i]);
	}
}
