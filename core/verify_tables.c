/* SPDX-License-Identifier: MIT */
/* verify_tables.c - the tables of an image: their directory, and what they hold. */
#include <errno.h>

#include "../bpf/table.h"
#include "error.h"
#include "verify.h"

/* A prefix: nothing behind its bits. */
static bool element_is_good(const struct tg_element *element)
{
	uint32_t length = element->length;
	uint64_t high = length >= 64 ? 0 : ~0ull >> length;
	uint64_t low = length >= 128 ? 0 : length > 64 ? ~0ull >> (length - 64) : ~0ull;

	return length <= 128 && !(element->high & high) && !(element->low & low);
}

static int check_elements(struct tg_verify *check, const struct tg_table_entry *entry)
{
	const uint32_t row_elements = TG_ROW_BYTES / sizeof(struct tg_element);
	struct tg_element elements[TG_ROW_BYTES / sizeof(struct tg_element)];
	uint64_t rows = ((uint64_t)entry->count + row_elements - 1) / row_elements;
	int error = tg_verify_take(check, entry->data_row, rows, "elements of a set");

	for (uint32_t i = 0; !error && i < entry->count; i++) {
		if (i % row_elements == 0)
			tg_verify_read(check, entry->data_row + i / row_elements, elements);
		if (!element_is_good(&elements[i % row_elements]))
			error = tg_fail(-EINVAL,
					"damaged image: element %u of the set at row %u is no "
					"prefix",
					i, entry->data_row);
	}
	return error;
}

int tg_verify_tables(struct tg_verify *check, const struct tg_image_about *about)
{
	int error = tg_verify_take(check, about->table_row, about->tables, "directory of tables");

	for (uint32_t i = 0; !error && i < about->tables; i++) {
		struct tg_table_entry entry;

		tg_verify_read(check, about->table_row + i, &entry);
		if (entry.kind != TG_TABLE_SET || entry.name >= about->blob_bytes || !entry.size ||
		    entry.size > TG_MAX_SET_SIZE || entry.count > entry.size)
			return tg_fail(-EINVAL,
				       "damaged image: table %u is not one that a policy can have",
				       i);
		error = check_elements(check, &entry);
	}
	return error;
}
