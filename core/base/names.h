/* SPDX-License-Identifier: MIT */
/* names.h - the numbers of names: names.c also has the names of numbers, for tidegate.h. */
#ifndef TG_BASE_NAMES_H
#define TG_BASE_NAMES_H

/* 111 for "ECONNREFUSED"; 0 if no errno has this name. */
int tg_errno_number(const char *name);

/* The errno whose name is this one but for its case or one letter; NULL: there is none. */
const char *tg_errno_near(const char *name);

#endif
