/* SPDX-License-Identifier: MIT */
/*
 * unsupported.c - what an image needs and this kernel does not have.
 *
 * A rule needs the hooks of its operations, the kernel features that its effects
 * use and, if it rewrites, the hooks that show what was asked for.  What no
 * single rule causes, such as the number of rules, the policy needs.
 */
#include "gate/unsupported.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/hook.h"
#include "base/struct_size.h"
#include "gate/program.h"
#include "image/image_needs.h"
#include "system/kernel_feature.h"
#include "system/kernel_probe.h"

struct needs {
	uint32_t hooks;
	uint32_t effects;
	uint32_t features;
};

/* What the terms of one rule say together. */
struct rule_terms {
	uint32_t ops;      /* bits, 1 << enum tg_op: of Internet sockets */
	uint32_t unix_ops; /* of unix sockets */
	uint32_t effects;
};

static uint32_t op_hooks(uint32_t ops, uint32_t unix_ops)
{
	uint32_t hooks = 0;

	for (int hook = 0; hook < TG_HOOK_COUNT; hook++)
		if ((TG_UNIX_HOOKS >> hook & 1 ? unix_ops : ops) >> tg_hook_kinds[hook].op & 1)
			hooks |= 1u << hook;
	return hooks;
}

/* The operations that show what was asked for when these operations are rewritten. */
static uint32_t showing_ops(uint32_t ops)
{
	uint32_t shows = 0;

	if (ops >> TG_OP_CONNECT & 1)
		shows |= TG_BIT(TG_OP_GETPEERNAME) | TG_BIT(TG_OP_RECVMSG);
	if (ops >> TG_OP_SENDMSG & 1)
		shows |= TG_BIT(TG_OP_RECVMSG);
	if (ops >> TG_OP_BIND & 1)
		shows |= TG_BIT(TG_OP_GETSOCKNAME);
	return shows;
}

/* The first of a section's terms that belongs to this rule or a later one. */
static uint32_t first_term(const struct tg_term *terms, uint32_t count, uint32_t rule)
{
	uint32_t first = 0;

	while (first < count) {
		uint32_t middle = first + (count - first) / 2;

		if (terms[middle].rule < rule)
			first = middle + 1;
		else
			count = middle;
	}
	return first;
}

static struct rule_terms collect_terms(const struct tg_image *image, uint32_t rule)
{
	struct rule_terms found = {0};
	const struct tg_section *section;

	for (int place = 0; (section = tg_image_section_next(image->rows, &place)); place++) {
		const struct tg_term *terms = tg_image_terms(image->rows, section);

		for (uint32_t i = first_term(terms, section->terms, rule);
		     i < section->terms && terms[i].rule == rule; i++) {
			if (place < TG_OP_COUNT)
				found.ops |= 1u << place;
			else
				found.unix_ops |= 1u << (place - TG_OP_COUNT);
			found.effects |= terms[i].effects;
		}
	}
	return found;
}

static struct needs image_needs(const struct tg_image *image)
{
	const struct tg_image_about *about = tg_image_row(image->rows, 1);
	struct needs needs = {.effects = about->effects};
	struct tg_spec spec;

	tg_program_spec_of_image(image->rows, 0, &spec, &needs.hooks);
	needs.features = spec.features;
	return needs;
}

/* The part of the image's needs that this rule causes. */
static struct needs rule_needs(const struct tg_image *image, const struct needs *all, uint32_t rule,
			       const struct tg_rule_info *info)
{
	struct rule_terms terms = collect_terms(image, rule);
	struct needs needs = {
		.hooks = op_hooks(terms.ops, terms.unix_ops),
		.effects = terms.effects & all->effects,
	};

	if ((info->verb == TG_VERB_REWRITE || info->verb == TG_VERB_BALANCE) &&
	    !(needs.effects & TG_EFFECT_REVEAL)) {
		needs.hooks |= op_hooks(showing_ops(terms.ops), showing_ops(terms.unix_ops));
		needs.features = all->features & TG_FEATURES_REMEMBER;
	}
	needs.hooks &= all->hooks;
	return needs;
}

static bool is_needed(const struct tg_kernel_feature *feature, const struct needs *needs)
{
	return (!feature->hooks || feature->hooks & needs->hooks) &&
	       (!feature->effects || feature->effects & needs->effects) &&
	       (!feature->features || feature->features & needs->features);
}

/* The first feature that is needed, and for which trying has this result; NULL: there is none. */
static const struct tg_kernel_feature *find_tried(const struct needs *needs, int result)
{
	for (uint32_t i = 0; tg_kernel_features[i].name; i++)
		if (is_needed(&tg_kernel_features[i], needs) && tg_probe(i) == result)
			return &tg_kernel_features[i];
	return NULL;
}

static void describe(struct tg_unsupported *found, const struct tg_rule_info *info,
		     const struct tg_kernel_feature *feature)
{
	size_t size = sizeof(found->text), length;
	struct utsname host;

	uname(&host);
	if (found->rule == TG_RULE_DEFAULT)
		length = (size_t)snprintf(found->text, size, "policy: ");
	else
		length = (size_t)snprintf(found->text, size, "%.160s%s%s \"%.120s\": ", info->where,
					  *info->where ? ": " : "", tg_verb_name(info->verb),
					  info->name);
	snprintf(found->text + length, size - length,
		 "needs %s, which this kernel, Linux %.64s, does not have; Linux %s and newer do",
		 feature->name, host.release, feature->since);
}

/* The walk over an image: its rules, and then its policy. */
struct walk {
	const struct tg_image *image;
	struct needs all;
	uint32_t rules;
};

static struct needs needs_of(const struct walk *walk, uint32_t rule, struct tg_rule_info *info)
{
	*info = (struct tg_rule_info){.size = sizeof(*info)};
	tg_image_rule(walk->image, rule, info);
	return rule_needs(walk->image, &walk->all, rule, info);
}

static bool is_needed_by_a_rule(const struct walk *walk, const struct tg_kernel_feature *feature)
{
	struct tg_rule_info info;

	for (uint32_t rule = 0; rule < walk->rules; rule++) {
		struct needs needs = needs_of(walk, rule, &info);

		if (is_needed(feature, &needs))
			return true;
	}
	return false;
}

/* What the policy needs, no rule of it causes, and the kernel does not have. */
static const struct tg_kernel_feature *find_for_policy(const struct walk *walk)
{
	for (uint32_t i = 0; tg_kernel_features[i].name; i++) {
		const struct tg_kernel_feature *feature = &tg_kernel_features[i];

		if (is_needed(feature, &walk->all) && tg_probe(i) == -ENOTSUP &&
		    !is_needed_by_a_rule(walk, feature))
			return feature;
	}
	return NULL;
}

/*
 * The next thing from `*at` on, which is a rule's number, or the number of rules for the
 * policy itself.  False: there are no more.
 */
static bool find_next(const struct walk *walk, uint64_t *at, struct tg_unsupported *found)
{
	const struct tg_kernel_feature *feature = NULL;
	struct tg_rule_info info = {0};

	if (!find_tried(&walk->all, -ENOTSUP))
		return false;
	for (; !feature && *at < walk->rules; ++*at) {
		struct needs needs = needs_of(walk, (uint32_t)*at, &info);

		feature = find_tried(&needs, -ENOTSUP);
		found->rule = (uint32_t)*at;
	}
	if (!feature && *at == walk->rules) {
		feature = find_for_policy(walk);
		found->rule = TG_RULE_DEFAULT;
		++*at;
	}
	if (feature)
		describe(found, &info, feature);
	return feature;
}

int tg_image_unsupported_next(const struct tg_image *image, uint64_t *cursor,
			      struct tg_unsupported *unsupported)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_unsupported, 528);
	struct tg_unsupported found = {0};
	struct walk walk = {.image = image};
	int error = TG_REQUIRE(image);

	if (!error)
		error = TG_REQUIRE(cursor);
	if (!error && unsupported)
		error = tg_struct_check(kind, unsupported);
	if (error)
		return error;
	walk.all = image_needs(image);
	walk.rules = ((const struct tg_image_about *)tg_image_row(image->rows, 1))->rules;
	if (find_next(&walk, cursor, &found)) {
		if (unsupported)
			tg_struct_give(kind, unsupported, &found);
		return 1;
	}
	if (!find_tried(&walk.all, -EPERM))
		return 0;
	return tg_fail(-EPERM, "cannot find out what this kernel has: needs CAP_BPF, CAP_NET_ADMIN "
			       "and CAP_PERFMON; run `tidegate doctor`");
}

#define MAX_NAMED_RULES 8

int tg_unsupported_check(const struct tg_image *image)
{
	struct tg_unsupported found = {.size = sizeof(found)};
	char text[MAX_NAMED_RULES * sizeof(found.text) + 32] = "";
	uint32_t named = 0, rules = 0;
	uint64_t cursor = 0;
	size_t length = 0;

	while (tg_image_unsupported_next(image, &cursor, &found) > 0) {
		if (named++ == MAX_NAMED_RULES) {
			strcpy(text + length, "and more\n");
			break;
		}
		length += (size_t)sprintf(text + length, "%s\n", found.text);
		rules += found.rule != TG_RULE_DEFAULT;
	}
	if (!named)
		return 0;
	if (!rules)
		return tg_fail_lines(-EOPNOTSUPP, "%.*s", (int)length - 1, text);
	return tg_fail_lines(
		-EOPNOTSUPP,
		"%stake these rules out, or let unsupported = \"skip\" in policy {} skip "
		"them",
		text);
}
