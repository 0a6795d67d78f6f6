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
#include "base/names.h"
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

	for (int hook = 0; hook < TG_HOOKS; hook++)
		if ((TG_UNIX_HOOKS >> hook & 1 ? unix_ops : ops) >> tg_hook_kinds[hook].op & 1)
			hooks |= 1u << hook;
	return hooks;
}

/* The operations that show what was asked for when these operations are rewritten. */
static uint32_t showing_ops(uint32_t ops)
{
	uint32_t shows = 0;

	if (ops >> TG_OP_CONNECT & 1)
		shows |= 1u << TG_OP_GETPEERNAME | 1u << TG_OP_RECVMSG;
	if (ops >> TG_OP_SENDMSG & 1)
		shows |= 1u << TG_OP_RECVMSG;
	if (ops >> TG_OP_BIND & 1)
		shows |= 1u << TG_OP_GETSOCKNAME;
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
			if (place < TG_OPS)
				found.ops |= 1u << place;
			else
				found.unix_ops |= 1u << (place - TG_OPS);
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
		.effects = terms.effects,
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

/*
 * The first feature that is needed and that the kernel does not have.  NULL: it
 * has them all, or this process is not allowed to find out.
 */
static const struct tg_kernel_feature *find_unsupported(const struct needs *needs)
{
	for (uint32_t i = 0; tg_kernel_features[i].name; i++)
		if (is_needed(&tg_kernel_features[i], needs) && tg_probe(i) == -ENOTSUP)
			return &tg_kernel_features[i];
	return NULL;
}

static void describe(struct tg_lack *lack, const struct tg_rule_info *info,
		     const struct tg_kernel_feature *feature)
{
	size_t size = sizeof(lack->text), length = 0;
	struct utsname host;

	uname(&host);
	lack->text[0] = 0;
	if (lack->rule == TG_RULE_DEFAULT)
		length = (size_t)snprintf(lack->text, size, "policy: ");
	else
		length = (size_t)snprintf(lack->text, size, "%.160s%s%s \"%.120s\": ", info->where,
					  *info->where ? ": " : "", tg_verb_name((int)info->verb),
					  info->name);
	snprintf(lack->text + length, size - length,
		 "needs %s, which this kernel, Linux %.64s, does not have; Linux %s and newer do",
		 feature->name, host.release, feature->since);
}

int tg_image_lack(const struct tg_image *image, uint32_t from, struct tg_lack *out)
{
	struct tg_rule_info info = {.size = sizeof(info)};
	struct tg_lack lack = {.size = sizeof(lack), .rule = TG_RULE_DEFAULT};
	struct needs all = image_needs(image);
	const struct tg_kernel_feature *missing = find_unsupported(&all), *feature = NULL;

	if (out->size < sizeof(*out))
		return tg_fail(-EINVAL, "tg_image_lack: size is %zu, not %zu", out->size,
			       sizeof(*out));
	for (uint32_t rule = from; missing && !feature && !tg_image_rule(image, rule, &info);
	     rule++) {
		struct needs needs = rule_needs(image, &all, rule, &info);

		feature = find_unsupported(&needs);
		lack.rule = rule;
	}
	/* No single rule causes it. */
	if (missing && !feature && !from) {
		feature = missing;
		lack.rule = TG_RULE_DEFAULT;
	}
	if (!feature)
		return tg_fail(-ERANGE, "no rule from %u on needs what this kernel does not have",
			       from);
	describe(&lack, &info, feature);
	*out = lack;
	return 0;
}

#define MAX_NAMED_RULES 8

int tg_unsupported_check(const struct tg_image *image)
{
	struct tg_lack lack = {.size = sizeof(lack)};
	char text[MAX_NAMED_RULES * sizeof(lack.text) + 32] = "";
	size_t length = 0;
	uint32_t named = 0;

	while (lack.rule != TG_RULE_DEFAULT && !tg_image_lack(image, lack.rule, &lack)) {
		if (named++ == MAX_NAMED_RULES) {
			strcpy(text + length, "and more\n");
			break;
		}
		length += (size_t)sprintf(text + length, "%s\n", lack.text);
		lack.rule += lack.rule != TG_RULE_DEFAULT;
	}
	if (!named)
		return 0;
	if (lack.rule == TG_RULE_DEFAULT)
		return tg_fail(-EOPNOTSUPP, "%.*s", (int)length - 1, text);
	return tg_fail(-EOPNOTSUPP,
		       "%stake these rules out, or let best_effort = true in policy {} leave them "
		       "out",
		       text);
}
