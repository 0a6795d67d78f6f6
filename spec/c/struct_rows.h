/* SPDX-License-Identifier: MIT */
/* struct_rows.h - a row for each public struct and each function that takes one. */
#ifndef TG_SPEC_STRUCT_ROWS_H
#define TG_SPEC_STRUCT_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum way { GIVEN = 1, RESULT = 2 };

/* A struct, and a call that takes it and succeeds. */
struct row {
	const char *name;
	size_t size; /* of the present release, which is the first */
	enum way way;
	int (*call)(void *first, uint32_t count);
	void (*fill)(void *first, uint32_t index); /* makes an element valid; NULL: zeros are */
	long flags;                                /* where its flags are; 0: it has none */
	long reserved;                             /* where a reserved member is; 0: it has none */
	uint32_t elements;                         /* of the array that the call takes; else 1 */
};

extern const struct row struct_rows[];
extern const size_t struct_row_count;

/* Make the objects that the calls need; `folder`: a cgroup that may be attached to. */
void make_objects(const char *folder);

void free_objects(void);

#endif
