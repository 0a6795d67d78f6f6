/* SPDX-License-Identifier: MIT */
/* names.h - the names of operations, verbs and errnos, and their numbers. */
#ifndef TG_BASE_NAMES_H
#define TG_BASE_NAMES_H

/* "deny" for TG_VERB_DENY; NULL if the number is not a verb. */
const char *tg_verb_name(int verb);

/* 111 for "ECONNREFUSED"; 0 if no errno has this name. */
int tg_errno_number(const char *name);

#endif
