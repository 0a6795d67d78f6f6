/* SPDX-License-Identifier: MIT */
/*
 * verify.c - whether bytes are an image that can be walked.
 *
 * An image may come from anyone, so nothing in it is trusted.  Its parts follow
 * each other in a fixed order.  So a cursor that only moves forward proves that
 * no two parts share rows, and that verifying takes one pass.
 */
#include "image/verify.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/hook.h"
#include "bpf/layout/table_layout.h"
#include "image/checksum.h"
#include "image/verify_cursor.h"
#include "image/verify_section.h"
#include "image/verify_tables.h"

/* --- Blob --------------------------------------------------------------------- */

static int check_rules(const struct tg_verify *check, const struct tg_image_about *about)
{
	const unsigned char *blob = check->bytes + (size_t)about->blob_row * TG_ROW_BYTES;

	for (uint32_t i = 0; i < about->rules; i++) {
		struct tg_rule_entry rule;

		memcpy(&rule, blob + i * sizeof(rule), sizeof(rule));
		if (!tg_verify_text(check, about, rule.name) ||
		    !tg_verify_text(check, about, rule.where) ||
		    !tg_verify_text(check, about, rule.text) ||
		    !tg_verify_text(check, about, rule.message))
			return tg_fail(-EINVAL,
				       "damaged image: a text of rule %u is not in the blob, or "
				       "cannot be shown",
				       i);
		if (rule.verb == TG_VERB_NONE || rule.verb >= TG_VERB_COUNT ||
		    rule.ops >> TG_OP_COUNT || rule.flags & ~TG_ENTRY_FLAGS)
			return tg_fail(-EINVAL,
				       "damaged image: rule %u is not one that a policy can have",
				       i);
	}
	return 0;
}

/* If the last byte is a NUL, a text that starts at any offset ends within the blob. */
static int check_blob(struct tg_verify *check, const struct tg_image_about *about)
{
	uint64_t rows = ((uint64_t)about->blob_bytes + TG_ROW_BYTES - 1) / TG_ROW_BYTES;
	const unsigned char *blob;
	int error = tg_verify_take(check, about->blob_row, rows, "names and texts");

	if (error)
		return error;
	blob = check->bytes + (size_t)about->blob_row * TG_ROW_BYTES;
	if (about->blob_bytes == 0 || blob[about->blob_bytes - 1] != 0)
		return tg_fail(-EINVAL, "damaged image: the last text has no end");
	if ((uint64_t)about->rules * sizeof(struct tg_rule_entry) >= about->blob_bytes)
		return tg_fail(-EINVAL, "damaged image: no room for %u rules", about->rules);
	if (!tg_verify_text(check, about, about->name))
		return tg_fail(-EINVAL, "damaged image: the policy's name is not in the blob, or "
					"cannot be shown");
	return check_rules(check, about);
}

/* --- The whole ----------------------------------------------------------------- */

#define NO_IMAGE "not a Tidegate image: make one from a policy with tidegate compile"

static int check_header(const void *bytes, size_t size, struct tg_image_header *header)
{
	if (size < sizeof(*header))
		return tg_fail(-EINVAL, NO_IMAGE);
	memcpy(header, bytes, sizeof(*header));
	if (header->magic != TG_IMAGE_MAGIC)
		return tg_fail(-EINVAL, NO_IMAGE);
	if (header->layout != TG_IMAGE_LAYOUT)
		return tg_fail(-EINVAL,
			       "an image of layout %u, this library reads layout %u; compile its "
			       "policy again",
			       header->layout, TG_IMAGE_LAYOUT);
	if (size > TG_MAX_IMAGE_BYTES)
		return tg_fail(-EINVAL, "damaged image: %zu bytes, the limit is %u", size,
			       TG_MAX_IMAGE_BYTES);
	if (size != (uint64_t)header->rows * TG_ROW_BYTES)
		return tg_fail(-EINVAL, "damaged image: %zu bytes, it should have %llu", size,
			       (unsigned long long)header->rows * TG_ROW_BYTES);
	if (header->rows < 2)
		return tg_fail(-EINVAL, "damaged image: nothing follows its header");
	return 0;
}

/* All except the checksum. */
static int verify_structure(const void *bytes, const struct tg_image_header *header)
{
	struct tg_verify check = {.bytes = bytes, .rows = header->rows, .cursor = 2};
	struct tg_image_about about;
	int error;

	tg_verify_read(&check, 1, &about);
	check.rules = about.rules;
	check.tables = about.tables;
	if (about.tables > TG_MAX_TABLES + 1)
		return tg_fail(-EINVAL, "damaged image: %u tables, the limit is %u", about.tables,
			       TG_MAX_TABLES + 1);
	if (about.deny_on_error & (TG_OPS_REPORTS | ~0u << TG_OP_COUNT))
		return tg_fail(-EINVAL, "damaged image: on_error denies operations %#x",
			       about.deny_on_error);
	if (about.flags & ~TG_IMAGE_SHADOW)
		return tg_fail(-EINVAL, "damaged image: flags %#x", about.flags);
	check.shadow = about.flags & TG_IMAGE_SHADOW;
	error = tg_verify_sections(&check, header->section, false);
	if (!error)
		error = tg_verify_sections(&check, about.unix_section, true);
	if (!error)
		error = check_blob(&check, &about);
	return error ? error : tg_verify_tables(&check, &about);
}

int tg_image_verify(const void *bytes, size_t size)
{
	struct tg_image_header header;
	int error = check_header(bytes, size, &header);

	if (error)
		return error;
	if (tg_image_checksum(bytes, size) != header.checksum)
		return tg_fail(-EINVAL, "damaged image: its checksum is wrong");
	return verify_structure(bytes, &header);
}
