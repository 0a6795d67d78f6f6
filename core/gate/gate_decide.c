/* SPDX-License-Identifier: MIT */
/* gate_decide.c - deciding a call by an image, with the tables of a gate. */
#include "gate/gate.h"
#include "image/image_directory.h"
#include "image/image_tables.h"
#include "simulate/mismatch.h"
#include "simulate/simulate.h"

/*
 * An image's tables as they are in the gate; those that the gate does not have,
 * as the image declares them.
 */
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
