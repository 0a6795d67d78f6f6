/* SPDX-License-Identifier: MIT */
/* lint_device.c - network devices in a rule's effects that this host does not have. */
#include "lint/lint_device.h"

#include <net/if.h>

#include "bpf/engine/tree_search.h"
#include "lint/lint_finding.h"

/* The options that the rule sets: all of its terms have the same.  NULL: none. */
static const struct tg_options *options_of(const struct tg_lint *lint,
					   const struct tg_lint_rule *rule)
{
	for (int place = 0; place < TG_PLACES; place++) {
		const struct tg_section_reader *reader = &lint->reader[place];
		const struct tg_term_rest *rest;
		const struct tg_term *term;

		if (rule->first[place] == rule->end[place])
			continue;
		term = reader->terms + rule->first[place];
		if (!(term->effects & TG_EFFECT_SOCKOPT))
			continue;
		rest = tg_row(&reader->view, term->rest_row);
		if (rest && rest->options_row)
			return tg_row(&reader->view, rest->options_row);
	}
	return NULL;
}

int tg_lint_device(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	const struct tg_options *options = options_of(lint, rule);
	char name[sizeof(options->device) + 1] = "";
	struct tg_lint_text text;
	int error;

	if (!options || !(options->given & TG_OPTION_DEVICE))
		return 0;
	__builtin_memcpy(name, options->device, sizeof(options->device));
	if (if_nametoindex(name))
		return 0;
	error = tg_lint_begin(rule, &text);
	if (error)
		return error;
	fprintf(text.stream,
		"sockopt: there is no network device \"%s\" here: until there is one, calls that "
		"the rule lets through fail with ENODEV",
		name);
	return tg_lint_end(lint, rule, TG_FINDING_DEVICE, &text);
}
