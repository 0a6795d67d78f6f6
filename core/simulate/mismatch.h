/* SPDX-License-Identifier: MIT */
/* mismatch.h - why a rule does not match a call. */
#ifndef TG_SIMULATE_MISMATCH_H
#define TG_SIMULATE_MISMATCH_H

#include "bpf/engine/shared_read.h"
#include "tidegate.h"

/* Like tg_image_mismatch(), with a whole query; `tables` NULL: the image's own. */
int tg_mismatch(const struct tg_image *image, const struct tg_table_rows *tables,
		const struct tg_query *query, uint32_t index, uint32_t *fields);

#endif
