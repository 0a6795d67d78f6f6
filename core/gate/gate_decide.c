/* SPDX-License-Identifier: MIT */
/* gate_decide.c - deciding a call by an image, with the live tables of a gate or its own. */
#include "base/error.h"
#include "base/struct_size.h"
#include "gate/gate.h"
#include "image/image_directory.h"
#include "image/image_tables.h"
#include "simulate/mismatch.h"
#include "simulate/query.h"
#include "simulate/simulate.h"

/* What is asked: the query, and the tables that decide. */
struct question {
	struct tg_query query;
	struct tg_table_rows tables[TG_MAX_TABLES + 1];
};

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

		if (gate && entry->kind != TG_TABLE_BLOCKS)
			live = tg_gate_live(gate, tg_image_table_name(image->rows, entry),
					    entry->kind);
		view[i] = live ? live->table.rows : first[i];
	}
	return error;
}

/*
 * Take a question, for an answer that is then found with the gate locked, so that its tables
 * stay.  A failure leaves the gate unlocked.
 */
static int begin(const char *function, const struct tg_image *image, const struct tg_gate *gate,
		 const struct tg_query *query, struct question *question)
{
	int error = tg_require(image, function, "image");

	if (!error && gate)
		error = tg_gate_check_right(gate, TG_MAY_TABLES, "decide");
	if (!error)
		error = tg_query_take(query, &question->query);
	if (error)
		return error;
	if (gate)
		tg_gate_lock(gate);
	error = view_tables(gate, image, question->tables);
	if (error && gate)
		tg_gate_unlock(gate);
	return error;
}

static void end(const struct tg_gate *gate)
{
	if (gate)
		tg_gate_unlock(gate);
}

int tg_image_decide(const struct tg_image *image, const struct tg_gate *gate,
		    const struct tg_query *query, struct tg_decision *decision)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_decision, 176);
	struct tg_decision made;
	struct question question;
	int error = decision ? tg_struct_check(kind, decision) : 0;

	if (!error)
		error = begin(__func__, image, gate, query, &question);
	if (error)
		return error;
	error = tg_decide(image, question.tables, &question.query, &made);
	end(gate);
	if (!error && decision)
		tg_struct_give(kind, decision, &made);
	return error;
}

int tg_image_candidate_next(const struct tg_image *image, const struct tg_gate *gate,
			    const struct tg_query *query, uint64_t *cursor,
			    struct tg_backend_info *backend)
{
	struct tg_backend_rows candidates;
	struct tg_backend_info info;
	struct question question;
	int result = TG_REQUIRE(cursor);

	if (!result && backend)
		result = tg_struct_check(TG_BACKEND_INFO_KIND, backend);
	if (!result)
		result = begin(__func__, image, gate, query, &question);
	if (result)
		return result;
	result = tg_candidates(image, question.tables, &question.query, &candidates);
	if (!result && *cursor < candidates.count) {
		tg_backend_rows_read(&candidates, (uint32_t)(*cursor)++, &info);
		result = 1;
	}
	end(gate);
	if (result == 1 && backend)
		tg_struct_give(TG_BACKEND_INFO_KIND, backend, &info);
	return result;
}

int tg_image_mismatch(const struct tg_image *image, const struct tg_gate *gate,
		      const struct tg_query *query, uint32_t index, uint32_t *fields)
{
	struct question question;
	uint32_t found;
	int error = begin(__func__, image, gate, query, &question);

	if (error)
		return error;
	error = tg_mismatch(image, question.tables, &question.query, index, &found);
	end(gate);
	if (!error && fields)
		*fields = found;
	return error;
}
