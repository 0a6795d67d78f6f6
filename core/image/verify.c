/* SPDX-License-Identifier: MIT */
/*
 * verify.c - whether bytes are an image that can be walked.
 *
 * An image may come from anyone: nothing in it is believed.  Parts stand one
 * behind the other in a fixed order, so a cursor that only moves forward
 * proves that no two share rows, and that the whole takes one pass.
 */
#include <errno.h>
#include <string.h>

#include "bpf/layout/backend_layout.h"
#include "bpf/engine/path_rank.h"
#include "bpf/layout/table_layout.h"
#include "base/error.h"
#include "image/verify.h"

void tg_verify_read(const struct tg_verify *check, uint32_t row, void *out)
{
	memcpy(out, check->bytes + (size_t)row * TG_ROW_BYTES, TG_ROW_BYTES);
}

int tg_verify_take(struct tg_verify *check, uint32_t row, uint64_t count, const char *what)
{
	if (row < check->cursor)
		return tg_fail(-EINVAL, "damaged image: %s at row %u overlap what is before", what,
			       row);
	if (row > check->rows || count > check->rows - row)
		return tg_fail(-EINVAL, "damaged image: %s at row %u reach behind its end", what,
			       row);
	check->cursor = row + (uint32_t)count;
	return 0;
}

/* --- Sections ----------------------------------------------------------------- */

/* What only the terms of unix sockets have, and what they have not. */
static bool path_term_is_good(const struct tg_section *section, const struct tg_term *term)
{
	if (term->effects & (TG_EFFECT_TO_PORT | TG_EFFECT_SOURCE) || term->verb == TG_VERB_BALANCE)
		return false;
	return !(term->effects & TG_EFFECT_TO_ADDR) || term->to_addr_be[0] < section->targets;
}

static bool term_is_good(const struct tg_verify *check, const struct tg_term *term, bool is_default)
{
	const uint32_t effects = TG_EFFECT_TO_ADDR | TG_EFFECT_TO_PORT | TG_EFFECT_REVEAL |
				 TG_EFFECT_SOURCE | TG_EFFECT_LOG | TG_EFFECT_PRIVILEGED |
				 TG_EFFECT_SHADOW | TG_EFFECT_SET | TG_EFFECT_LIVE |
				 TG_EFFECT_RATE | TG_EFFECT_STICKY;

	if (term->verb == TG_VERB_NONE || term->verb >= TG_VERBS || (term->effects & ~effects))
		return false;
	if ((term->verb == TG_VERB_DENY || term->verb == TG_VERB_BALANCE) && term->error == 0)
		return false;
	if ((term->effects & TG_EFFECT_LOG) && !term->log_every)
		return false;
	if ((term->effects & TG_EFFECT_STICKY) && term->verb != TG_VERB_BALANCE)
		return false;
	if (term->verb == TG_VERB_OBSERVE && !(term->effects & TG_EFFECT_SHADOW))
		return false;
	if (is_default)
		return term->rule == TG_RULE_DEFAULT && term->verb <= TG_VERB_DENY &&
		       !term->rest_row;
	return term->rule < check->rules;
}

static int check_terms(struct tg_verify *check, const struct tg_section *section, bool is_unix)
{
	int error;

	if (section->terms > TG_MAX_TERMS)
		return tg_fail(-EINVAL, "damaged image: %u terms, the limit is %u", section->terms,
			       TG_MAX_TERMS);
	error = tg_verify_take(check, section->term_row, (uint64_t)section->terms + 1, "terms");
	for (uint32_t i = 0; !error && i <= section->terms; i++) {
		struct tg_term term;

		tg_verify_read(check, section->term_row + i, &term);
		if (!term_is_good(check, &term, i == section->terms) ||
		    (is_unix && !path_term_is_good(section, &term)))
			error = tg_fail(-EINVAL,
					"damaged image: the term at row %u is not one that a "
					"policy can have",
					section->term_row + i);
	}
	return error;
}

/* --- Unix sockets ------------------------------------------------------------ */

/* Each boundary is above the one before, or the search would miss some. */
static int check_paths(struct tg_verify *check, const struct tg_section *section)
{
	struct tg_path_key before = {{0}, {0}}, key;
	int error = tg_verify_take(check, section->path_row,
				   (uint64_t)section->paths * TG_PATH_ROWS, "boundaries of paths");

	for (uint32_t i = 0; !error && i < section->paths; i++) {
		uint32_t row = section->path_row + i * TG_PATH_ROWS;
		int word = 0;

		tg_verify_read(check, row, &key);
		tg_verify_read(check, row + 1, (char *)&key + TG_ROW_BYTES);
		while (word < TG_PATH_WORDS && key.word[word] == before.word[word])
			word++;
		if (word == TG_PATH_WORDS || key.word[word] < before.word[word])
			error = tg_fail(-EINVAL,
					"damaged image: the path at row %u is not above the one "
					"before",
					row);
		before = key;
	}
	return error;
}

static int check_targets(struct tg_verify *check, const struct tg_section *section)
{
	struct tg_path_target target;
	int error = tg_verify_take(check, section->target_row,
				   (uint64_t)section->targets * TG_PATH_ROWS, "paths to go to");

	for (uint32_t i = 0; !error && i < section->targets; i++) {
		uint32_t row = section->target_row + i * TG_PATH_ROWS;

		tg_verify_read(check, row, &target);
		tg_verify_read(check, row + 1, (char *)&target + TG_ROW_BYTES);
		if (!target.path.bytes || target.path.bytes > TG_PATH_BYTES)
			error = tg_fail(-EINVAL,
					"damaged image: the path at row %u has %llu bytes, a "
					"path has 1 to %d",
					row, (unsigned long long)target.path.bytes, TG_PATH_BYTES);
	}
	return error;
}

/* What only a section of unix sockets has, and what it has not. */
static int check_unix(struct tg_verify *check, const struct tg_section *section, bool is_unix)
{
	const uint32_t inet = 1u << TG_KEY_ADDR4 | 1u << TG_KEY_ADDR6 | 1u << TG_KEY_PORT;
	const uint32_t other = is_unix ? inet : 1u << TG_KEY_PATH;
	int error = 0;

	if ((section->keys & other) || (!is_unix && (section->paths || section->targets)))
		return tg_fail(-EINVAL, "damaged image: paths and addresses in one section");
	if (section->paths > TG_MAX_PATHS || section->path_steps > TG_PATH_STEPS ||
	    section->paths >> section->path_steps ||
	    (section->path_steps && !(section->paths >> (section->path_steps - 1))))
		return tg_fail(-EINVAL, "damaged image: %u boundaries of paths in %u steps",
			       section->paths, section->path_steps);
	if (section->paths)
		error = check_paths(check, section);
	if (!error && section->targets)
		error = check_targets(check, section);
	return error;
}

static int check_sets(const struct tg_verify *check, const struct tg_section *section, bool is_unix)
{
	bool is_short = section->terms <= TG_WORD_TERMS;
	bool good = section->sets <= (is_unix ? 0 : TG_SECTION_SETS) &&
		    !section->set_row == !((section->sets || section->rated) && is_short);

	for (uint32_t i = 0; good && i < section->sets; i++)
		good = TG_SET_TABLE(section->set[i]) < check->tables &&
		       (~section->set[i] & (TG_SET_IS_SERVICES | TG_SET_IS_OWN));
	if (good)
		return 0;
	return tg_fail(-EINVAL, "damaged image: sets that a policy cannot have");
}

static int check_options(struct tg_verify *check, uint32_t row)
{
	struct tg_options options;
	int error = tg_verify_take(check, row, 1, "options");

	if (error)
		return error;
	tg_verify_read(check, row, &options);
	if (options.given & ~(uint32_t)TG_OPTIONS_ALL || options.device[15] ||
	    options.congestion[15])
		return tg_fail(-EINVAL,
			       "damaged image: the options at row %u are not ones that a rule can "
			       "have",
			       row);
	return 0;
}

/* What a term says of itself has to stand there. */
static bool rest_is_good(const struct tg_section *section, const struct tg_term *term,
			 const struct tg_term_rest *rest)
{
	uint32_t sets = rest->in_sets | rest->out_sets;

	if (!(term->effects & TG_EFFECT_SET) != !rest->options_row)
		return false;
	if (!(term->effects & TG_EFFECT_LIVE) != !sets)
		return false;
	if (!(term->effects & TG_EFFECT_RATE) != !rest->rate_interval_ns)
		return false;
	if (rest->rate_per >= TG_PERS || rest->rate_interval_ns > rest->rate_window_ns)
		return false;
	if (term->verb == TG_VERB_BALANCE && (!term->rest_row || rest->by >= TG_BYS))
		return false;
	if (!(term->effects & TG_EFFECT_STICKY) != !rest->sticky_ms || rest->sticky_by >= TG_BYS ||
	    rest->sticky_ms > TG_MAX_STICKY_MS)
		return false;
	if (rest->services && !sets)
		return false;
	return !(sets >> section->sets);
}

/* Terms of one rule share rows; some that have none may stand between. */
static int check_rests(struct tg_verify *check, const struct tg_section *section)
{
	uint32_t before = 0, options_before = 0;
	int error = 0;

	for (uint32_t i = 0; !error && i < section->terms; i++) {
		struct tg_term_rest rest = {0};
		struct tg_term term;

		tg_verify_read(check, section->term_row + i, &term);
		if (term.rest_row && term.rest_row != before)
			error = tg_verify_take(check, term.rest_row, 1, "the rest of a term");
		if (error)
			return error;
		if (term.rest_row)
			tg_verify_read(check, term.rest_row, &rest);
		if (!rest_is_good(section, &term, &rest))
			return tg_fail(-EINVAL,
				       "damaged image: the term at row %u contradicts itself",
				       section->term_row + i);
		if (rest.options_row && rest.options_row != options_before)
			error = check_options(check, rest.options_row);
		if (!term.rest_row)
			continue;
		before = term.rest_row;
		options_before = rest.options_row;
	}
	return error;
}

/* Whatever the bits are, they lead nowhere. */
static int check_shadows(struct tg_verify *check, const struct tg_section *section)
{
	const uint32_t row_terms = TG_ROW_BYTES * 8;

	if (!section->shadow_row)
		return 0;
	return tg_verify_take(check, section->shadow_row,
			      (section->terms + row_terms - 1) / row_terms, "shadows");
}

/* Any guard will do: none leads anywhere.  Operations with the same rules share theirs. */
static int check_guards(struct tg_verify *check, const struct tg_section *section)
{
	if (section->terms <= TG_WORD_TERMS)
		return 0;
	if (section->plain & ~section->keys)
		return tg_fail(-EINVAL, "damaged image: guards for fields that no term asks about");
	for (uint32_t i = 0; i < check->seen_count; i++)
		if (check->seen[i].guard_row == section->guard_row &&
		    check->seen[i].terms == section->terms)
			return 0;
	return tg_verify_take(check, section->guard_row, section->terms, "guards");
}

/* Operations with the same rules share their trees. */
static bool tree_is_shared(const struct tg_verify *check, const struct tg_section *section, int key)
{
	for (uint32_t i = 0; i < check->seen_count; i++)
		if (check->seen[i].terms == section->terms && (check->seen[i].keys & (1u << key)) &&
		    memcmp(&check->seen[i].tree[key], &section->tree[key],
			   sizeof(section->tree[key])) == 0)
			return true;
	return false;
}

static int check_tree(struct tg_verify *check, const struct tg_section *section, int key)
{
	const struct tg_tree *tree = &section->tree[key];
	int error = tg_verify_tree(check, tree, TG_KEYS_128 & (1u << key));

	return error ? error : tg_verify_bitsets(check, tree, section->terms);
}

static int check_key(struct tg_verify *check, const struct tg_section *section, int key)
{
	const struct tg_tree *tree = &section->tree[key];
	int error;

	if (tree->depth > TG_MAX_DEPTH)
		return tg_fail(-EINVAL, "damaged image: a tree of depth %u, the limit is %u",
			       tree->depth, TG_MAX_DEPTH);
	if (tree->classes == 0 || tree->classes > TG_MAX_CLASSES)
		return tg_fail(-EINVAL, "damaged image: a tree with %u classes, the limit is %u",
			       tree->classes, TG_MAX_CLASSES);
	error = tree_is_shared(check, section, key) ? 0 : check_tree(check, section, key);
	if (!error && section->singles >> key & 1)
		error = tg_verify_singles(check, tree, section->terms);
	return error;
}

/* Depths of named cgroups, each less than the one before. */
static int check_depths(const struct tg_section *section)
{
	bool good = section->levels <= TG_CGROUP_LEVELS;

	for (uint32_t i = 0; good && i < section->levels; i++)
		good = i ? section->level[i] < section->level[i - 1]
			 : section->level[i] <= TG_CGROUP_DEPTH;
	if (good)
		return 0;
	return tg_fail(-EINVAL, "damaged image: depths of cgroups that a policy cannot have");
}

/* Programs may look at the tree of a field that no term asks about, and find nothing. */
static int check_unused(const struct tg_section *section, int key)
{
	static const struct tg_tree nothing;

	if (!memcmp(&section->tree[key], &nothing, sizeof(nothing)))
		return 0;
	return tg_fail(-EINVAL, "damaged image: a tree for a field that no term asks about");
}

static int check_section(struct tg_verify *check, uint32_t row, bool is_unix)
{
	__u64 summary[TG_SUMMARY_WORDS];
	struct tg_section section;
	int error = tg_verify_take(check, row, TG_SECTION_ROWS, "rows of an operation");

	if (error)
		return error;
	memcpy(&section, check->bytes + (size_t)row * TG_ROW_BYTES, sizeof(section));
	if (section.keys >> TG_KEYS)
		return tg_fail(-EINVAL, "damaged image: fields 0x%x, known are %d", section.keys,
			       TG_KEYS);
	if (section.singles & ~(section.keys & TG_SINGLES))
		return tg_fail(-EINVAL, "damaged image: classes of one term for fields 0x%x",
			       section.singles);
	error = check_terms(check, &section, is_unix);
	if (!error)
		error = check_depths(&section);
	if (error)
		return error;
	tg_section_summary(section.terms, summary);
	if (memcmp(summary, section.summary, sizeof(summary)))
		return tg_fail(-EINVAL, "damaged image: a summary that is not that of %u terms",
			       section.terms);
	error = check_sets(check, &section, is_unix);
	if (!error)
		error = check_rests(check, &section);
	if (!error && section.set_row)
		error = tg_verify_take(check, section.set_row, TG_SET_WORDS_ROWS, "words of sets");
	if (!error)
		error = check_shadows(check, &section);
	if (!error)
		error = check_unix(check, &section, is_unix);
	if (!error)
		error = check_guards(check, &section);
	for (int key = 0; !error && key < TG_KEYS; key++)
		error = section.keys & (1u << key) ? check_key(check, &section, key)
						   : check_unused(&section, key);
	if (!error)
		check->seen[check->seen_count++] = section;
	return error;
}

/* `sections` are those of unix sockets, or of all others. */
static int check_sections(struct tg_verify *check, const __u32 sections[8], bool is_unix)
{
	int error = 0;

	for (int op = 0; !error && op < 8; op++) {
		if (!sections[op])
			continue;
		if (op >= TG_OPS)
			return tg_fail(-EINVAL, "damaged image: operation %d, known are %d", op,
				       TG_OPS);
		error = check_section(check, sections[op], is_unix);
	}
	return error;
}

/* --- Blob --------------------------------------------------------------------- */

static int check_rules(const struct tg_verify *check, const struct tg_image_about *about)
{
	const unsigned char *blob = check->bytes + (size_t)about->blob_row * TG_ROW_BYTES;

	for (uint32_t i = 0; i < about->rules; i++) {
		struct tg_rule_entry rule;

		memcpy(&rule, blob + i * sizeof(rule), sizeof(rule));
		if (rule.name >= about->blob_bytes || rule.where >= about->blob_bytes ||
		    rule.text >= about->blob_bytes)
			return tg_fail(-EINVAL,
				       "damaged image: a text of rule %u is not in the blob", i);
		if (rule.verb == TG_VERB_NONE || rule.verb >= TG_VERBS || rule.ops >> TG_OPS)
			return tg_fail(-EINVAL,
				       "damaged image: rule %u is not one that a policy can have",
				       i);
	}
	return 0;
}

/* Every offset into it is the start of a text that ends there, if its last byte is a NUL. */
static int check_blob(struct tg_verify *check, const struct tg_image_about *about)
{
	uint64_t rows = ((uint64_t)about->blob_bytes + TG_ROW_BYTES - 1) / TG_ROW_BYTES;
	const unsigned char *blob;
	int error = tg_verify_take(check, about->blob_row, rows, "names and texts");

	if (error)
		return error;
	blob = check->bytes + (size_t)about->blob_row * TG_ROW_BYTES;
	if (about->blob_bytes == 0 || blob[about->blob_bytes - 1] != 0)
		return tg_fail(-EINVAL, "damaged image: the last text has no end");
	if ((uint64_t)about->rules * sizeof(struct tg_rule_entry) >= about->blob_bytes)
		return tg_fail(-EINVAL, "damaged image: no room for %u rules", about->rules);
	if (about->name >= about->blob_bytes)
		return tg_fail(-EINVAL, "damaged image: the policy's name is not in the blob");
	return check_rules(check, about);
}

/* --- The whole ----------------------------------------------------------------- */

static int check_header(const void *bytes, size_t size, struct tg_image_header *header)
{
	if (size < sizeof(*header))
		return tg_fail(-EINVAL, "not a Tidegate image");
	memcpy(header, bytes, sizeof(*header));
	if (header->magic != TG_IMAGE_MAGIC)
		return tg_fail(-EINVAL, "not a Tidegate image");
	if (header->layout != TG_IMAGE_LAYOUT)
		return tg_fail(-EINVAL,
			       "an image of layout %u, this library reads layout %u; compile its "
			       "policy again",
			       header->layout, TG_IMAGE_LAYOUT);
	if (size > TG_MAX_IMAGE_BYTES)
		return tg_fail(-EINVAL, "damaged image: %zu bytes, the limit is %u", size,
			       TG_MAX_IMAGE_BYTES);
	if (size != (uint64_t)header->rows * TG_ROW_BYTES)
		return tg_fail(-EINVAL, "damaged image: %zu bytes, it should have %llu", size,
			       (unsigned long long)header->rows * TG_ROW_BYTES);
	if (header->rows < 2)
		return tg_fail(-EINVAL, "damaged image: nothing behind its header");
	return 0;
}

int tg_image_verify_structure(const void *bytes, size_t size)
{
	struct tg_verify check = {.bytes = bytes, .cursor = 2};
	struct tg_image_header header;
	struct tg_image_about about;
	int error = check_header(bytes, size, &header);

	if (error)
		return error;
	check.rows = header.rows;
	tg_verify_read(&check, 1, &about);
	check.rules = about.rules;
	check.tables = about.tables;
	if (about.tables > TG_MAX_TABLES + 1)
		return tg_fail(-EINVAL, "damaged image: %u tables, the limit is %u", about.tables,
			       TG_MAX_TABLES + 1);
	if (about.verb_on_error != TG_VERB_ALLOW && about.verb_on_error != TG_VERB_DENY)
		return tg_fail(-EINVAL, "damaged image: on_error is verb %u", about.verb_on_error);
	error = check_sections(&check, header.section, false);
	if (!error)
		error = check_sections(&check, about.unix_section, true);
	if (!error)
		error = check_blob(&check, &about);
	return error ? error : tg_verify_tables(&check, &about);
}

int tg_image_verify(const void *bytes, size_t size)
{
	struct tg_image_header header;
	int error = check_header(bytes, size, &header);

	if (error)
		return error;
	if (tg_image_checksum(bytes, size) != header.checksum)
		return tg_fail(-EINVAL, "damaged image: its checksum is wrong");
	return tg_image_verify_structure(bytes, size);
}
