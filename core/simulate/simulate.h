/* SPDX-License-Identifier: MIT */
/* simulate.h - deciding a call without the kernel. */
#ifndef TG_SIMULATE_SIMULATE_H
#define TG_SIMULATE_SIMULATE_H

#include "bpf/engine/shared_read.h"
#include "table/backend_rows.h"
#include "tidegate.h"

/* Decide a whole query, with other tables than the image's; NULL: the image's own. */
int tg_decide(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, struct tg_decision *decision);

/* The backends among which a call is balanced, in `tables` or in the image. */
int tg_candidates(const struct tg_image *image, const struct tg_table_rows *tables,
		  const struct tg_query *query, struct tg_backend_rows *candidates);

#endif
