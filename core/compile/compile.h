/* SPDX-License-Identifier: MIT */
/*
 * compile.h - the steps from a policy to an image, a section a file, in the
 * order in which compile.c takes them.
 *
 * For each operation, and once more for its unix sockets:
 *   path ranks       paths of unix sockets as numbers
 *   terms            the rules as products of sets
 *   term rests       what terms ask and do that does not fit into a term
 *   guards           what each term asks of the fields that are one interval
 * For each field that these terms restrict:
 *   partition        the values, cut into spans that satisfy the same terms (sweep.c)
 *   single terms     the classes of one term each, put last
 *   B-tree           the spans as a search tree
 *   bitsets          which terms hold in each class of spans
 * Then once:
 *   blob             rule directory and strings, for people and tools
 *   table directory  live tables and what they contain at first
 *   backend blocks   the backends of the rules
 */
#ifndef TG_COMPILE_COMPILE_H
#define TG_COMPILE_COMPILE_H

#include "compile/named_cgroups.h"
#include "policy/policy.h"
#include "policy/set_use.h"

/* --- rows.c: the image as it grows ------------------------------------------ */

struct tg_rows {
	unsigned char (*at)[TG_ROW_BYTES];
	uint32_t count;
	uint32_t capacity;
};

/* Add `count` rows of zeros.  Invalidates pointers to earlier rows.  -E2BIG, -ENOMEM. */
int tg_rows_add(struct tg_rows *rows, uint64_t count, uint32_t *first);

/* --- path_ranks.c ------------------------------------------------------------ */

/* The first paths of the elementary intervals. */
struct tg_path_ranks {
	struct tg_path *at;
	size_t count;
	size_t capacity;
};

/* Add the ends of all sets, then sort once, then ask for ranks and write. */
int tg_path_ranks_add(struct tg_path_ranks *ranks, const struct tg_path_set *set);
int tg_path_ranks_sort(struct tg_path_ranks *ranks);
int tg_path_ranks_of(const struct tg_path_ranks *ranks, const struct tg_path_set *set,
		     struct tg_intervals *out);
int tg_path_ranks_write(const struct tg_path_ranks *ranks, struct tg_rows *rows,
			struct tg_section *section);

/* --- terms.c ----------------------------------------------------------------- */

/* What one term asks: a set for each field that it restricts, NULL for the others. */
struct tg_condition {
	const struct tg_intervals *set[TG_KEYS];
	const struct tg_set_use *use;     /* live sets of the address asked for; NULL: none */
	const struct tg_set_use *own_use; /* of the address that the socket is bound to */
};

struct tg_terms {
	struct tg_term *at;
	struct tg_condition *conditions;
	uint32_t count;
	uint32_t capacity;
	struct tg_intervals **owned; /* sets that were made for these terms */
	size_t owned_count;
	size_t owned_capacity;
	struct tg_named_cgroups cgroups;
	struct tg_path_ranks ranks; /* of unix sockets */
	uint32_t targets;           /* terms that rewrite to the path of a unix socket */
};

/*
 * The terms of the rules for one operation, of unix sockets or of all others;
 * *terms is new.  -E2BIG: too many; the text names the rule.
 */
int tg_terms_collect(const struct tg_policy *policy, enum tg_op op, bool is_unix,
		     struct tg_terms *terms);
void tg_terms_free(struct tg_terms *terms);

/* Bits, 1 << enum tg_key: the fields that some term restricts. */
uint32_t tg_terms_keys(const struct tg_terms *terms);

/* --- term_rest.c ------------------------------------------------------------- */

/* Write the rests of a section's terms, which are written already. */
int tg_term_rests_write(const struct tg_policy *policy, enum tg_op op, const struct tg_terms *terms,
			struct tg_rows *rows, struct tg_section *section);

/* --- guard.c ----------------------------------------------------------------- */

/* Write the guards, if the section, whose `keys` are set, has more than 64 terms. */
int tg_guards_write(const struct tg_terms *terms, struct tg_rows *rows, struct tg_section *section);

/* --- bitset.c ---------------------------------------------------------------- */

#define TG_BITSET_WORDS (TG_MAX_TERMS / TG_WORD_TERMS)

/* The terms of one class: its words that are not zero are words[first .. first + count). */
struct tg_sparse {
	uint64_t summary[TG_SUMMARY_WORDS];
	size_t first;
	uint32_t count;
};

struct tg_bitsets {
	uint32_t terms;
	struct tg_sparse *at;
	uint32_t count;
	uint32_t capacity;
	uint64_t *words;
	size_t word_count;
	size_t word_capacity;
};

/* Append a class from its TG_BITSET_WORDS words. */
int tg_bitsets_add(struct tg_bitsets *bitsets, const uint64_t *words);
int tg_bitsets_write(const struct tg_bitsets *bitsets, struct tg_rows *rows, uint32_t *row);
void tg_bitsets_free(struct tg_bitsets *bitsets);

/* --- sweep.c ----------------------------------------------------------------- */

/* The values after the last one of the span before, up to `last`. */
struct tg_span {
	struct tg_key128 last;
	uint32_t cls;
};

/* All values of a field: the last span ends with the field's largest value. */
struct tg_partition {
	struct tg_span *at;
	size_t count;
	struct tg_span *memory; /* from malloc(); `at` is this or one element after it */
	struct tg_bitsets bitsets;
};

/*
 * *partition is new.  -E2BIG: a limit of the field is exceeded; the text names
 * neither the field nor the operation.
 */
int tg_partition_sweep(const struct tg_terms *terms, enum tg_key key,
		       struct tg_partition *partition);

/* Give the value 0 the class of `key`, and no other value. */
void tg_partition_alias_zero(struct tg_partition *partition, struct tg_key128 key);
void tg_partition_free(struct tg_partition *partition);

/* --- single_terms.c ---------------------------------------------------------- */

/* If classes of one term each are many, put them last and set the key's bit in `*singles`. */
int tg_single_terms_part(struct tg_partition *partition, enum tg_key key, uint32_t *singles);

/* --- btree.c ----------------------------------------------------------------- */

/* Write a field's tree; sets root and depth of `tree`. */
int tg_btree_write(const struct tg_partition *partition, enum tg_key key, struct tg_rows *rows,
		   struct tg_tree *tree);

/* --- blob.c ------------------------------------------------------------------ */

/*
 * Write the blob: rule directory and strings.  Sets what `about` says of it, and
 * in names[i] where the name of the policy's table i is.
 */
int tg_blob_write(const struct tg_policy *policy, struct tg_rows *rows,
		  struct tg_image_about *about, uint32_t *names);

/* --- table_directory.c ------------------------------------------------------- */

/* Write the directory of tables and what they contain.  Sets what `about` says of them. */
int tg_table_directory_write(const struct tg_policy *policy, const uint32_t *names,
			     struct tg_rows *rows, struct tg_image_about *about);

/* --- backend_blocks.c -------------------------------------------------------- */

bool tg_backend_blocks_any(const struct tg_policy *policy);
int tg_backend_blocks_write(const struct tg_policy *policy, struct tg_rows *rows,
			    struct tg_table_entry *entry);

/* Where the block of a rule is among all blocks. */
struct tg_block_cursor {
	uint32_t rule;
	uint32_t row;
};

/* Move a cursor, which starts as {0}, forward to a rule. */
void tg_block_seek(const struct tg_policy *policy, uint32_t rule, struct tg_block_cursor *cursor);

#endif
