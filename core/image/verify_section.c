/* SPDX-License-Identifier: MIT */
/* verify_section.c - whether the sections of an image can be walked. */
#include "image/verify_section.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "bpf/engine/path_rank.h"
#include "image/verify_bitset.h"
#include "image/verify_terms.h"
#include "image/verify_tree.h"

/* --- Unix sockets ------------------------------------------------------------ */

/* Each boundary is above the one before; otherwise the search would miss some. */
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

/* A section has either paths, if it is one of unix sockets, or addresses and ports. */
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

/* --- Sets, and the trees of fields ------------------------------------------- */

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

/* The depths of named cgroups are descending. */
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

/* Programs may look at the tree of a field that no term restricts: it must be empty. */
static int check_unused(const struct tg_section *section, int key)
{
	static const struct tg_tree nothing;

	if (!memcmp(&section->tree[key], &nothing, sizeof(nothing)))
		return 0;
	return tg_fail(-EINVAL, "damaged image: a tree for a field that no term asks about");
}

/* --- Sections ---------------------------------------------------------------- */

static int check_section(struct tg_verify *check, uint32_t row, bool is_unix)
{
	__u64 summary[TG_SUMMARY_WORDS];
	struct tg_section section;
	int error = tg_verify_take(check, row, TG_SECTION_ROWS, "rows of an operation");

	if (error)
		return error;
	memcpy(&section, check->bytes + (size_t)row * TG_ROW_BYTES, sizeof(section));
	if (section.keys >> TG_KEYS)
		return tg_fail(-EINVAL, "damaged image: fields 0x%x, this library knows %d",
			       section.keys, TG_KEYS);
	if (section.singles & ~(section.keys & TG_SINGLES))
		return tg_fail(-EINVAL, "damaged image: classes of one term for fields 0x%x",
			       section.singles);
	error = tg_verify_terms(check, &section, is_unix);
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
		error = tg_verify_rests(check, &section);
	if (!error && section.set_row)
		error = tg_verify_take(check, section.set_row, TG_SET_WORDS_ROWS, "words of sets");
	if (!error)
		error = tg_verify_shadows(check, &section);
	if (!error)
		error = check_unix(check, &section, is_unix);
	if (!error)
		error = tg_verify_guards(check, &section);
	for (int key = 0; !error && key < TG_KEYS; key++)
		error = section.keys & (1u << key) ? check_key(check, &section, key)
						   : check_unused(&section, key);
	if (!error)
		check->seen[check->seen_count++] = section;
	return error;
}

int tg_verify_sections(struct tg_verify *check, const __u32 sections[8], bool is_unix)
{
	int error = 0;

	for (int op = 0; !error && op < 8; op++) {
		if (!sections[op])
			continue;
		if (op >= TG_OP_COUNT)
			return tg_fail(-EINVAL,
				       "damaged image: operation %d, this library knows %d", op,
				       TG_OP_COUNT);
		error = check_section(check, sections[op], is_unix);
	}
	return error;
}
