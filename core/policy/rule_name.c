/* SPDX-License-Identifier: MIT */
/* rule_name.c - what a rule may be called, and what it may say. */
#include "policy/rule_name.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "base/printable.h"

/*
 * A host may listen to the events of a rule, by its name, to those of a verb, and
 * to these.  The last five are to come.
 */
static const char *const kinds[] = {
	"*", "lost", "error", "failed", "severed", "reload", "learned", "end",
};

static bool is_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(name, kinds[i]))
			return true;
	for (int verb = TG_VERB_ALLOW; verb < TG_VERB_COUNT; verb++)
		if (!strcmp(name, tg_verb_name(verb)))
			return true;
	return false;
}

int tg_rule_name_check(const struct tg_policy_rule *rule)
{
	size_t length = strlen(rule->name);
	const char *wrong = tg_unprintable(rule->name);

	if (!length)
		return tg_rule_error(rule, -EINVAL, "an empty name: leave it out, or give one");
	if (length > TG_RULE_NAME)
		return tg_rule_error(rule, -EINVAL, "a name of %zu bytes: at most %d are possible",
				     length, TG_RULE_NAME);
	if (wrong)
		return tg_rule_error(rule, -EINVAL, "the name %s: choose another one", wrong);
	if (is_kind(rule->name))
		return tg_rule_error(rule, -EINVAL,
				     "no rule can have this name, because on(\"%s\", ...) hears "
				     "of something else: choose another one",
				     rule->name);
	return 0;
}

/* Another text of the rule, which goes into its image, and is shown. */
static int check_text(const struct tg_policy_rule *rule, const char *what, const char *text)
{
	const char *wrong = text ? tg_unprintable(text) : NULL;

	return wrong ? tg_rule_error(rule, -EINVAL, "%s: %s: write it in UTF-8, on one line", what,
				     wrong)
		     : 0;
}

int tg_rule_texts_check(const struct tg_policy_rule *rule)
{
	size_t length = rule->message ? strlen(rule->message) : 0;

	if (rule->message && !length)
		return tg_rule_error(rule, -EINVAL, "message: is empty: leave it out");
	if (length > TG_RULE_MESSAGE)
		return tg_rule_error(rule, -EINVAL,
				     "message: has %zu bytes: at most %d are possible", length,
				     TG_RULE_MESSAGE);
	return check_text(rule, "message", rule->message) ?: check_text(rule, "where", rule->where)
		       ?: check_text(rule, "text", rule->text);
}
