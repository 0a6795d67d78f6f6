/* SPDX-License-Identifier: MIT */
/* compile.c - from a policy to an image. */
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/field.h"
#include "image/checksum.h"
#include "image/image.h"
#include "policy/effect.h"
#include "policy/policy_check.h"

/* When a program asks for 0.0.0.0 or ::, the kernel goes to loopback. */
static bool op_aliases_zero(enum tg_op op)
{
	return TG_OPS_EGRESS >> op & 1;
}

static void alias_zero(struct tg_partition *partition, enum tg_op op, enum tg_key key)
{
	const struct tg_key128 loopback4 = {0, 0x7f000001};
	const struct tg_key128 loopback6 = {0, 1};

	if (!op_aliases_zero(op))
		return;
	if (key == TG_KEY_ADDR4)
		tg_partition_alias_zero(partition, loopback4);
	else if (key == TG_KEY_ADDR6)
		tg_partition_alias_zero(partition, loopback6);
}

static int compile_key(const struct tg_terms *terms, enum tg_op op, enum tg_key key,
		       struct tg_rows *rows, struct tg_section *section)
{
	struct tg_tree *tree = &section->tree[key];
	struct tg_partition partition = {0};
	int error = tg_partition_sweep(terms, key, &partition);

	if (!error && TG_SINGLES >> key & 1)
		error = tg_single_terms_part(&partition, key, &section->singles);
	if (!error) {
		alias_zero(&partition, op, key);
		error = tg_btree_write(&partition, key, rows, tree);
	}
	if (!error)
		error = tg_bitsets_write(&partition.bitsets, rows, &tree->bitset);
	if (error)
		error = tg_fail(error, "%s: %s: %s", tg_op_name(op), tg_fields[key].plural,
				tg_error());
	else
		tree->classes = partition.bitsets.count;
	tg_partition_free(&partition);
	return error;
}

/* A default acts like a rule that says nothing but its verb. */
static int make_default(const struct tg_policy *policy, enum tg_op op, struct tg_term *term)
{
	const struct tg_rule rule = {
		.size = sizeof(rule),
		.verb = policy->defaults[op],
		.ops = TG_BIT(TG_OP_CONNECT),
	};
	struct tg_policy_rule parsed = {0};
	struct tg_mistakes mistakes;

	tg_mistakes_init(&mistakes, NULL);
	tg_effect_parse(&parsed, &rule, &mistakes);
	*term = parsed.effect;
	term->slot = op;
	term->rule = TG_RULE_DEFAULT;
	return tg_mistakes_fail(&mistakes);
}

static int write_terms(const struct tg_policy *policy, enum tg_op op, const struct tg_terms *terms,
		       struct tg_rows *rows, struct tg_section *section)
{
	struct tg_term *at;
	int error = tg_rows_add(rows, terms->count + 1, &section->term_row);

	if (error)
		return error;
	at = (struct tg_term *)rows->at[section->term_row];
	if (terms->count)
		memcpy(at, terms->at, terms->count * sizeof(*at));
	section->terms = terms->count;
	tg_section_summary(terms->count, section->summary);
	return make_default(policy, op, &at[terms->count]);
}

static int write_shadows(const struct tg_terms *terms, struct tg_rows *rows,
			 struct tg_section *section)
{
	const uint32_t row_terms = TG_ROW_BYTES * 8;
	uint64_t *words;
	bool any = false;
	int error;

	for (uint32_t i = 0; i < terms->count && !any; i++)
		any = terms->at[i].effects & TG_EFFECT_SHADOW;
	if (!any)
		return 0;
	error = tg_rows_add(rows, (terms->count + row_terms - 1) / row_terms, &section->shadow_row);
	if (error)
		return error;
	words = (uint64_t *)rows->at[section->shadow_row];
	for (uint32_t i = 0; i < terms->count; i++)
		if (terms->at[i].effects & TG_EFFECT_SHADOW)
			words[i / TG_WORD_TERMS] |= 1ull << (i % TG_WORD_TERMS);
	return 0;
}

static int compile_trees(const struct tg_terms *terms, enum tg_op op, struct tg_rows *rows,
			 struct tg_section *section)
{
	int error;

	section->keys = tg_terms_keys(terms);
	section->levels = terms->cgroups.levels;
	memcpy(section->level, terms->cgroups.level, sizeof(section->level));
	error = tg_guards_write(terms, rows, section);
	for (int key = 0; !error && key < TG_KEYS; key++)
		if (section->keys & (1u << key))
			error = compile_key(terms, op, key, rows, section);
	return error;
}

/* Write the paths that terms rewrite to, in the order of the terms. */
static int write_targets(const struct tg_policy *policy, const struct tg_terms *terms,
			 struct tg_rows *rows, struct tg_section *section)
{
	struct tg_path_target *target;
	int error;

	if (!terms->targets)
		return 0;
	error = tg_rows_add(rows, (uint64_t)terms->targets * TG_PATH_ROWS, &section->target_row);
	if (error)
		return error;
	section->targets = terms->targets;
	target = (struct tg_path_target *)rows->at[section->target_row];
	for (uint32_t i = 0; i < terms->count; i++) {
		const struct tg_policy_rule *rule = &policy->rules[terms->at[i].rule];

		if (!rule->to_path_bytes)
			continue;
		memcpy(target->path.at, rule->to_path.at, sizeof(target->path.at));
		target->path.bytes = rule->to_path_bytes;
		target++;
	}
	return 0;
}

/* Write what only the sections of unix sockets have. */
static int write_paths(const struct tg_policy *policy, const struct tg_terms *terms,
		       struct tg_rows *rows, struct tg_section *section)
{
	int error = tg_path_ranks_write(&terms->ranks, rows, section);

	return error ? error : write_targets(policy, terms, rows, section);
}

static bool ops_have_same_trees(const struct tg_policy *policy, enum tg_op a, enum tg_op b)
{
	if (op_aliases_zero(a) != op_aliases_zero(b))
		return false;
	for (uint32_t i = 0; i < policy->rule_count; i++)
		if ((policy->rules[i].ops >> a ^ policy->rules[i].ops >> b) & 1)
			return false;
	return true;
}

/* The section of an earlier operation with the same rules ("egress"), whose trees serve both. */
static const struct tg_section *find_twin(const struct tg_policy *policy, enum tg_op op,
					  const struct tg_rows *rows, const __u32 *sections)
{
	for (int twin = 0; twin < (int)op; twin++)
		if (sections[twin] && ops_have_same_trees(policy, twin, op))
			return (const struct tg_section *)rows->at[sections[twin]];
	return NULL;
}

/* `sections` are those of unix sockets if `is_unix` is set, else those of all others. */
static int compile_section(const struct tg_policy *policy, enum tg_op op, bool is_unix,
			   struct tg_rows *rows, __u32 *sections)
{
	struct tg_section section = {0};
	const struct tg_section *twin;
	struct tg_terms terms = {0};
	uint32_t row;
	int error = tg_terms_collect(policy, op, is_unix, &terms);

	if (error)
		return error;
	error = tg_rows_add(rows, TG_SECTION_ROWS, &row);
	if (!error)
		error = write_terms(policy, op, &terms, rows, &section);
	if (!error)
		error = tg_term_rests_write(policy, op, &terms, rows, &section);
	if (!error)
		error = write_shadows(&terms, rows, &section);
	if (!error)
		error = write_paths(policy, &terms, rows, &section);
	if (error)
		goto out;
	twin = find_twin(policy, op, rows, sections);
	if (twin) {
		section.keys = twin->keys;
		section.plain = twin->plain;
		section.guard_row = twin->guard_row;
		section.singles = twin->singles;
		section.levels = twin->levels;
		memcpy(section.level, twin->level, sizeof(section.level));
		memcpy(section.tree, twin->tree, sizeof(section.tree));
	} else {
		error = compile_trees(&terms, op, rows, &section);
		if (error)
			goto out;
	}
	memcpy(rows->at[row], &section, sizeof(section));
	sections[op] = row;
out:
	tg_terms_free(&terms);
	return error;
}

/*
 * Whether an operation needs no section: no rule restricts it, and it is allowed.  A
 * rule whose endpoints are all unix sockets does not count.
 */
static bool op_is_free(const struct tg_policy *policy, enum tg_op op)
{
	for (uint32_t i = 0; i < policy->rule_count; i++) {
		const struct tg_list_sets *endpoint = &policy->rules[i].match[TG_FIELD_ENDPOINT];

		if (policy->rules[i].ops & (1u << op) &&
		    (endpoint->product_count || endpoint->uses || !endpoint->paths.count))
			return false;
	}
	return policy->defaults[op] == TG_VERB_ALLOW;
}

/*
 * Like op_is_free(), for unix sockets.  A default alone does not apply to them,
 * because many programs cannot run without some.
 */
static bool op_is_unix_free(const struct tg_policy *policy, enum tg_op op)
{
	for (uint32_t i = 0; i < policy->rule_count; i++)
		if (policy->rules[i].ops & (1u << op) &&
		    policy->rules[i].match[TG_FIELD_ENDPOINT].paths.count)
			return false;
	return true;
}

/* In a policy that is a shadow, all terms only say what they would do. */
static void make_trial(const struct tg_rows *rows)
{
	const struct tg_section *section;

	for (int place = 0; (section = tg_image_section_next(rows->at, &place)); place++) {
		struct tg_term *terms = (struct tg_term *)rows->at[section->term_row];

		for (uint32_t i = 0; i <= section->terms; i++)
			terms[i].effects |= TG_EFFECT_TRIAL;
	}
}

/* The effects of all terms that programs carry out, ORed. */
static uint32_t all_effects(const struct tg_rows *rows)
{
	const struct tg_section *section;
	uint32_t effects = 0;

	for (int place = 0; (section = tg_image_section_next(rows->at, &place)); place++) {
		const struct tg_term *terms = tg_image_terms(rows->at, section);

		for (uint32_t i = 0; i <= section->terms; i++)
			effects |= terms[i].effects;
	}
	return effects & TG_EFFECT_TRIAL ? effects & TG_EFFECTS_TOLD : effects;
}

static uint16_t deny_on_error(const struct tg_policy *policy)
{
	uint32_t ops = 0;

	for (int op = 0; op < TG_OP_COUNT; op++)
		if ((policy->on_error[op] ?: policy->defaults[op]) == TG_VERB_DENY)
			ops |= TG_BIT(op);
	return (uint16_t)ops;
}

static int compile_rows(const struct tg_policy *policy, struct tg_rows *rows)
{
	struct tg_image_header header = {.magic = TG_IMAGE_MAGIC, .layout = TG_IMAGE_LAYOUT};
	struct tg_image_about about = {.deny_on_error = deny_on_error(policy)};
	uint32_t names[TG_MAX_TABLES];
	uint32_t first;
	int error = tg_policy_check(policy);

	if (!error)
		error = tg_rows_add(rows, 2, &first);
	for (int op = 0; !error && op < TG_OP_COUNT; op++)
		if (!op_is_free(policy, op))
			error = compile_section(policy, op, false, rows, header.section);
	for (int op = 0; !error && op < TG_OP_COUNT; op++)
		if (!op_is_unix_free(policy, op))
			error = compile_section(policy, op, true, rows, about.unix_section);
	if (!error)
		error = tg_blob_write(policy, rows, &about, names);
	if (!error)
		error = tg_table_directory_write(policy, names, rows, &about);
	if (error)
		return error;
	header.rows = rows->count;
	memcpy(rows->at[0], &header, sizeof(header));
	memcpy(rows->at[1], &about, sizeof(about));
	if (policy->flags & TG_POLICY_SHADOW) {
		about.flags |= TG_IMAGE_SHADOW;
		make_trial(rows);
	}
	about.effects = all_effects(rows);
	memcpy(rows->at[1], &about, sizeof(about));
	tg_image_seal(rows->at, (size_t)rows->count * TG_ROW_BYTES);
	return 0;
}

int tg_policy_compile(const struct tg_policy *policy, struct tg_image **image)
{
	struct tg_rows rows = {0};
	struct tg_image *fresh;
	int error = TG_REQUIRE(policy);
	void *exact;

	if (!error)
		error = TG_REQUIRE(image);
	if (error)
		return error;
	fresh = calloc(1, sizeof(*fresh));
	error = fresh ? compile_rows(policy, &rows)
		      : tg_fail(-ENOMEM, "out of memory: no room for an image");
	if (error) {
		free(rows.at);
		free(fresh);
		return error;
	}
	fresh->bytes = (size_t)rows.count * TG_ROW_BYTES;
	exact = realloc(rows.at, fresh->bytes);
	fresh->rows = exact ? exact : (void *)rows.at;
	*image = fresh;
	return 0;
}
