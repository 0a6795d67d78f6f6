/* SPDX-License-Identifier: MIT */
/*
 * gate_tables.c - which live tables a gate has: by name, so that they survive a
 * publish, as a rule's counters do.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "gate/gate.h"
#include "image/image_directory.h"
#include "image/image_services.h"
#include "image/image_tables.h"
#include "simulate/mismatch.h"
#include "simulate/simulate.h"
#include "table/service.h"
#include "table/set.h"

#define ANEW "stop what holds the gate and start it again"

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
 * A table that is there keeps what it holds.  Its room cannot change: other
 * processes have it mapped, and could not hear of another.
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
			"kind: give it another name, or " ANEW,
			services ? "services" : "set", live->name);
	if (entry->size <= size || !entry->sized)
		return 0;
	if (services)
		return tg_fail(
			-ENOSPC,
			"services \"%s\": have room for %u, the policy wants room for %u, and what "
			"is in force does not grow: give them another name, or " ANEW,
			live->name, size, entry->size);
	return tg_fail(-ENOSPC,
		       "set \"%s\": has room for %u elements, the policy wants room for %u, and "
		       "what is in force does not grow: give it another name, or " ANEW,
		       live->name, size, entry->size);
}

static int take_up(struct tg_gate *gate, const void *rows, uint32_t index, uint32_t *number)
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
			error = take_up(gate, rows, i, &numbers[i]);
	return error;
}

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

/* At one go: the kernel waits for the programs, from 6.8 on once a call, not once a table. */
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

/* Terms of one rule stand together, and share what they say. */
static void stamp_terms(const uint32_t *numbers, void *rows, const struct tg_section *section)
{
	const struct tg_term *terms = tg_image_row(rows, section->term_row);
	uint32_t before = 0;

	for (uint32_t i = 0; i < section->terms; i++) {
		struct tg_term_rest *rest = (void *)tg_image_row(rows, terms[i].rest_row);

		if (terms[i].verb == TG_VERB_BALANCE && terms[i].rest_row != before &&
		    rest->services)
			rest->services = numbers[rest->services - 1] + 1;
		before = terms[i].rest_row;
	}
}

void tg_gate_tables_stamp(const uint32_t *numbers, void *rows)
{
	for (int place = 0; place < TG_PLACES; place++) {
		uint32_t row = tg_image_section_row(rows, place);
		struct tg_section *section = (void *)tg_image_row(rows, row);

		for (uint32_t i = 0; row && i < section->sets; i++)
			section->set[i] = (uint16_t)(numbers[TG_SET_TABLE(section->set[i])] |
						     (section->set[i] & ~TG_SET_TABLE(~0u)));
		if (row)
			stamp_terms(numbers, rows, section);
	}
}

/* --- Deciding with them ----------------------------------------------------------------- */

/* The tables of an image as they are in the gate; those that it does not have, as they are at
 * first. */
static int view_tables(const struct tg_gate *gate, const struct tg_image *image,
		       struct tg_table_rows *view)
{
	const struct tg_image_about *about = tg_image_row(image->rows, 1);
	const struct tg_table_rows *first = NULL;
	int error = tg_image_tables(image, &first);

	for (uint32_t i = 0; i < about->tables && !error; i++) {
		const struct tg_table_entry *entry = tg_image_table(image->rows, i);
		const struct tg_live *live = NULL;

		if (entry->kind != TG_TABLE_BLOCKS)
			live = tg_gate_live(gate, tg_image_table_name(image->rows, entry),
					    entry->kind);
		view[i] = live ? live->table.rows : first[i];
	}
	return error;
}

int tg_gate_decide(const struct tg_gate *gate, const struct tg_image *image,
		   const struct tg_query *query, struct tg_decision *decision)
{
	struct tg_table_rows tables[TG_MAX_TABLES + 1];
	int error = view_tables(gate, image, tables);

	return error ? error : tg_decide(image, tables, query, decision);
}

int tg_gate_choice(const struct tg_gate *gate, const struct tg_image *image,
		   const struct tg_query *query, uint32_t index, struct tg_backend_info *info)
{
	struct tg_table_rows tables[TG_MAX_TABLES + 1];
	int error = view_tables(gate, image, tables);

	return error ? error : tg_choice(image, tables, query, index, info);
}

int tg_gate_mismatch(const struct tg_gate *gate, const struct tg_image *image,
		     const struct tg_query *query, uint32_t index, uint32_t *fields)
{
	struct tg_table_rows tables[TG_MAX_TABLES + 1];
	int error = view_tables(gate, image, tables);

	return error ? error : tg_mismatch(image, tables, query, index, fields);
}
