/* SPDX-License-Identifier: MIT */
/* names.h - names of fixed things, and back. */
#ifndef TG_BASE_NAMES_H
#define TG_BASE_NAMES_H

/* "deny" for TG_VERB_DENY, NULL for what is not a verb. */
const char *tg_verb_name(int verb);

/* 111 for "ECONNREFUSED", 0 for what is not the name of an errno. */
int tg_errno_number(const char *name);

#endif
