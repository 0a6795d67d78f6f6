/* SPDX-License-Identifier: MIT */
/*
 * mistakes.h - all that is wrong with rules, so that it can be told at once.
 *
 * A check fails with the text of one mistake.  What calls several of them adds
 * each result here, and fails with all texts, a line each.
 */
#ifndef TG_POLICY_MISTAKES_H
#define TG_POLICY_MISTAKES_H

#include <stddef.h>

#include "policy/policy.h"

struct tg_mistakes {
	const struct tg_policy_rule *rule; /* to be named in each text; NULL: they name one */
	int error;                         /* of the first one; 0: there are none */
	size_t length;
	char text[8192]; /* what has no room is left out */
};

/* No mistakes yet.  The room for their texts is left as it is, because it is large. */
static inline void tg_mistakes_init(struct tg_mistakes *mistakes, const struct tg_policy_rule *rule)
{
	mistakes->rule = rule;
	mistakes->error = 0;
	mistakes->length = 0;
}

/* Add a mistake, whose text is tg_error(), if `error` is not 0. */
void tg_mistakes_add(struct tg_mistakes *mistakes, int error);

/* Fail with all texts; 0: there are none. */
int tg_mistakes_fail(const struct tg_mistakes *mistakes);

#endif
