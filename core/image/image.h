/* SPDX-License-Identifier: MIT */
/*
 * image.h - a compiled policy in memory.  What its bytes mean is in
 * bpf/layout/image_layout.h.
 */
#ifndef TG_IMAGE_IMAGE_H
#define TG_IMAGE_IMAGE_H

#include "bpf/layout/image_layout.h"
#include "parse/backend.h"
#include "table/table.h"
#include "tidegate.h"

struct tg_image {
	void *rows; /* struct tg_image_header first; from malloc() */
	size_t bytes;
	struct tg_table *tables; /* as they are at first, once they were asked for; or NULL */
	struct tg_table_rows *table_rows;
};

/* The tables of an image as they are at first, by their number in it. */
int tg_image_tables(const struct tg_image *image, const struct tg_table_rows **tables);
void tg_image_tables_free(struct tg_image *image);

/* tg_image_decide() and tg_image_mismatch() with other tables; NULL: as they are at first. */
int tg_decide(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, struct tg_decision *decision);
int tg_choice(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, uint32_t index, struct tg_backend_info *info);
int tg_mismatch(const struct tg_image *image, const struct tg_table_rows *tables,
		const struct tg_query *query, uint32_t index, uint32_t *fields);

/* Table `index` of an image: what it declares, and its elements. */
const struct tg_table_entry *tg_image_table(const void *rows, uint32_t index);
/* Number `index` of a kind, or NULL. */
const struct tg_table_entry *tg_image_table_of(const void *rows, enum tg_table_kind kind,
					       uint32_t index);
/* The same, for users of an image: of NULL tg_error() tells. */
const struct tg_table_entry *tg_image_find(const struct tg_image *image, enum tg_table_kind kind,
					   uint32_t index);
const char *tg_image_table_name(const void *rows, const struct tg_table_entry *entry);

/* The lists of backends of all rules; NULL: it has none. */
const struct tg_table_entry *tg_image_blocks(const void *rows);
struct tg_table_rows tg_image_block_rows(const void *rows);

/* The first list, and the one behind another; NULL: there are no more. */
const struct tg_block *tg_block_next(const struct tg_table_rows *rows,
				     const struct tg_block *block);

/* The list at a row of those; without backends: there is none. */
struct tg_backend_rows tg_image_list(const void *rows, uint32_t block);

/* Backend `index` of a rule's list, NULL: it has none; -ERANGE. */
int tg_block_backend(const struct tg_block *block, uint32_t rule, uint32_t index,
		     struct tg_backend_info *info);

static inline const void *tg_image_row(const void *rows, uint32_t row)
{
	return (const char *)rows + (size_t)row * TG_ROW_BYTES;
}

/*
 * The places of sections: by operation, and, from TG_OPS on, by operation of
 * unix sockets.
 */
#define TG_PLACES (2 * TG_OPS)

static inline uint32_t tg_image_section_row(const void *rows, int place)
{
	const struct tg_image_header *header = tg_image_row(rows, 0);
	const struct tg_image_about *about = tg_image_row(rows, 1);

	return place < TG_OPS ? header->section[place] : about->unix_section[place - TG_OPS];
}

/* The section at a place; NULL: the image has none there. */
static inline const struct tg_section *tg_image_section_at(const void *rows, int place)
{
	uint32_t row = tg_image_section_row(rows, place);

	return row ? tg_image_row(rows, row) : NULL;
}

/*
 * The first section at `*place` or behind it, and its place; NULL: there are no more.
 * for (int place = 0; (section = tg_image_section_next(rows, &place)); place++)
 */
static inline const struct tg_section *tg_image_section_next(const void *rows, int *place)
{
	for (; *place < TG_PLACES; ++*place)
		if (tg_image_section_row(rows, *place))
			return tg_image_section_at(rows, *place);
	return NULL;
}

/* The terms of a section, and behind them its default. */
static inline const struct tg_term *tg_image_terms(const void *rows,
						   const struct tg_section *section)
{
	return tg_image_row(rows, section->term_row);
}

/*
 * Whether some term of unix sockets rewrites; `shown`: one of connect or sendmsg
 * that does not reveal it.
 */
bool tg_image_rewrites_paths(const void *rows, bool shown);

/* Of whole rows, the header's checksum and generation taken as 0. */
uint64_t tg_image_checksum(const void *rows, size_t bytes);

/* Whoever changes an image writes its checksum anew. */
void tg_image_seal(void *rows, size_t bytes);

/* tg_image_verify() without the checksum. */
int tg_image_verify_structure(const void *bytes, size_t size);

/* The words of a bitset that `terms` terms take, as a section says them. */
static inline void tg_section_summary(uint32_t terms, __u64 summary[TG_SUMMARY_WORDS])
{
	uint32_t words = (terms + TG_WORD_TERMS - 1) / TG_WORD_TERMS;

	for (uint32_t i = 0; i < TG_SUMMARY_WORDS; i++, words -= words < 64 ? words : 64)
		summary[i] = words >= 64 ? ~0ull : (1ull << words) - 1;
}

/* Bits, 1 << enum tg_hook: what a gate attaches for an image, which has passed tg_image_verify().
 */
uint32_t tg_image_hooks(const struct tg_image_header *header);

/* Whether a rule of an operation rewrites; with `revealed`, also one that says reveal. */
bool tg_image_op_rewrites(const struct tg_image_header *header, enum tg_op op, bool revealed);

#endif
