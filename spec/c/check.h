/* SPDX-License-Identifier: MIT */
/* check.h - ends the program if a condition does not hold, and prints the condition. */
#ifndef TG_SPEC_CHECK_H
#define TG_SPEC_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#endif
