/* SPDX-License-Identifier: MIT */
/* simulate.h - deciding a call without the kernel. */
#ifndef TG_SIMULATE_SIMULATE_H
#define TG_SIMULATE_SIMULATE_H

#include "bpf/engine/shared_read.h"
#include "tidegate.h"

/* Like tg_image_decide() and tg_image_choice(), with other tables; NULL: the image's own. */
int tg_decide(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, struct tg_decision *decision);
int tg_choice(const struct tg_image *image, const struct tg_table_rows *tables,
	      const struct tg_query *query, uint32_t index, struct tg_backend_info *info);

#endif
