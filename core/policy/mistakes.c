/* SPDX-License-Identifier: MIT */
/* mistakes.c - all that is wrong with rules, so that it can be told at once. */
#include "policy/mistakes.h"

#include <string.h>

#include "base/error.h"
#include "tidegate.h"

void tg_mistakes_add(struct tg_mistakes *mistakes, int error)
{
	size_t room = sizeof(mistakes->text) - mistakes->length, length;

	if (!error)
		return;
	if (mistakes->rule)
		tg_rule_error(mistakes->rule, error, "%s", tg_error());
	length = strlen(tg_error());
	if (!mistakes->error)
		mistakes->error = error;
	/* A line break before it, unless it is the first, and the 0 after it. */
	if (length + 2 > room)
		return;
	if (mistakes->length)
		mistakes->text[mistakes->length++] = '\n';
	memcpy(mistakes->text + mistakes->length, tg_error(), length + 1);
	mistakes->length += length;
}

int tg_mistakes_fail(const struct tg_mistakes *mistakes)
{
	return mistakes->error ? tg_fail_lines(mistakes->error, "%s", mistakes->text) : 0;
}
