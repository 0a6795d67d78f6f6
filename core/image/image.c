/* SPDX-License-Identifier: MIT */
/* image.c - images as objects, and what they say of themselves. */
#include "image/image.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "image/image_hooks.h"
#include "image/image_tables.h"

void tg_image_free(struct tg_image *image)
{
	if (!image)
		return;
	tg_image_tables_free(image);
	free(image->rows);
	free(image);
}

const void *tg_image_bytes(const struct tg_image *image, size_t *size)
{
	*size = image->bytes;
	return image->rows;
}

static const struct tg_image_about *image_about(const struct tg_image *image)
{
	return tg_image_row(image->rows, 1);
}

static const char *blob_text(const struct tg_image *image, uint32_t offset)
{
	return (const char *)tg_image_row(image->rows, image_about(image)->blob_row) + offset;
}

static uint32_t default_verb(const void *rows, int op)
{
	const struct tg_section *section = tg_image_section_at(rows, op);

	return section ? tg_image_terms(rows, section)[section->terms].verb : TG_VERB_ALLOW;
}

int tg_image_info(const struct tg_image *image, struct tg_image_info *info)
{
	const struct tg_image_about *about = image_about(image);

	if (info->size < sizeof(*info))
		return tg_fail(-EINVAL, "tg_image_info: size is %zu, not %zu", info->size,
			       sizeof(*info));
	*info = (struct tg_image_info){
		.size = info->size,
		.bytes = image->bytes,
		.rules = about->rules,
		.hooks = tg_image_hooks(image->rows),
		.name = blob_text(image, about->name),
		.on_error = about->verb_on_error,
	};
	for (int op = 0; op < TG_OPS; op++)
		info->defaults[op] = default_verb(image->rows, op);
	return 0;
}

int tg_image_rule(const struct tg_image *image, uint32_t index, struct tg_rule_info *info)
{
	const struct tg_image_about *about = image_about(image);
	const struct tg_rule_entry *rule;

	if (info->size < sizeof(*info))
		return tg_fail(-EINVAL, "tg_rule_info: size is %zu, not %zu", info->size,
			       sizeof(*info));
	if (index >= about->rules)
		return tg_fail(-ERANGE, "the image has no rule %u: it has %u", index, about->rules);
	rule = (const struct tg_rule_entry *)blob_text(image, 0) + index;
	*info = (struct tg_rule_info){
		.size = info->size,
		.name = blob_text(image, rule->name),
		.where = blob_text(image, rule->where),
		.text = blob_text(image, rule->text),
		.verb = rule->verb,
		.ops = rule->ops,
		.slot = rule->slot,
	};
	return 0;
}
