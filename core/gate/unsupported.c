/* SPDX-License-Identifier: MIT */
/*
 * unsupported.c - what an image needs and this kernel does not have.
 *
 * A rule needs the hooks of its operations and, where it rewrites, those that
 * show what was asked for; and what its effects take.  What no single rule is
 * the cause of, such as their number, the policy needs.
 */
#include "gate/unsupported.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/hook.h"
#include "system/kernel_probe.h"
#include "gate/program.h"
#include "image/image_needs.h"
#include "base/names.h"

/* What a rewrite leaves behind, to be shown as it was asked for. */
#define REMEMBERS (TG_FEATURE_PEER | TG_FEATURE_LOCAL | TG_FEATURE_SENT)

struct wants {
	uint32_t hooks;
	uint32_t effects;
	uint32_t features;
};

/* What the terms of a rule are about. */
struct share {
	uint32_t ops;      /* bits, 1 << enum tg_op: of all sockets but those of unix */
	uint32_t unix_ops; /* and of those */
	uint32_t effects;  /* ORed */
};

static uint32_t op_hooks(uint32_t ops, uint32_t unix_ops)
{
	uint32_t hooks = 0;

	for (int hook = 0; hook < TG_HOOKS; hook++)
		if ((TG_UNIX_HOOKS >> hook & 1 ? unix_ops : ops) >> tg_hook_kinds[hook].op & 1)
			hooks |= 1u << hook;
	return hooks;
}

/* The operations that show what a rewrite of another one was asked for. */
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

/* The first of a section's terms that is of this rule, or of a later one. */
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

static struct share rule_share(const struct tg_image *image, uint32_t rule)
{
	struct share share = {0};

	for (int place = 0; place < TG_PLACES; place++) {
		uint32_t row = tg_image_section_row(image->rows, place);
		const struct tg_section *section;
		const struct tg_term *terms;

		if (!row)
			continue;
		section = tg_image_row(image->rows, row);
		terms = tg_image_row(image->rows, section->term_row);
		for (uint32_t i = first_term(terms, section->terms, rule);
		     i < section->terms && terms[i].rule == rule; i++) {
			if (place < TG_OPS)
				share.ops |= 1u << place;
			else
				share.unix_ops |= 1u << (place - TG_OPS);
			share.effects |= terms[i].effects;
		}
	}
	return share;
}

static struct wants image_wants(const struct tg_image *image)
{
	const struct tg_image_about *about = tg_image_row(image->rows, 1);
	struct wants wants = {.effects = about->effects};
	struct tg_spec spec;

	tg_program_spec_of_image(image->rows, 0, &spec, &wants.hooks);
	wants.features = spec.features;
	return wants;
}

/* Of what the image wants, what one rule is the cause of. */
static struct wants rule_wants(const struct tg_image *image, const struct wants *all, uint32_t rule,
			       const struct tg_rule_info *info)
{
	struct share share = rule_share(image, rule);
	struct wants wants = {
		.hooks = op_hooks(share.ops, share.unix_ops),
		.effects = share.effects,
	};

	if ((info->verb == TG_VERB_REWRITE || info->verb == TG_VERB_BALANCE) &&
	    !(wants.effects & TG_EFFECT_REVEAL)) {
		wants.hooks |= op_hooks(showing_ops(share.ops), showing_ops(share.unix_ops));
		wants.features = all->features & REMEMBERS;
	}
	wants.hooks &= all->hooks;
	return wants;
}

static bool is_wanted(const struct tg_kernel_feature *feature, const struct wants *wants)
{
	return (!feature->hooks || feature->hooks & wants->hooks) &&
	       (!feature->effects || feature->effects & wants->effects) &&
	       (!feature->features || feature->features & wants->features);
}

/* The first row that is wanted and not there; NULL: all are, or nobody may know. */
static const struct tg_kernel_feature *find_unsupported(const struct wants *wants)
{
	for (uint32_t i = 0; tg_kernel_features[i].name; i++)
		if (is_wanted(&tg_kernel_features[i], wants) && tg_probe(i) == -ENOTSUP)
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
	struct wants all = image_wants(image);
	const struct tg_kernel_feature *missing = find_unsupported(&all), *feature = NULL;

	if (out->size < sizeof(*out))
		return tg_fail(-EINVAL, "tg_image_lack: size is %zu, not %zu", out->size,
			       sizeof(*out));
	for (uint32_t rule = from; missing && !feature && !tg_image_rule(image, rule, &info);
	     rule++) {
		struct wants wants = rule_wants(image, &all, rule, &info);

		feature = find_unsupported(&wants);
		lack.rule = rule;
	}
	/* Nobody's fault in particular. */
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
