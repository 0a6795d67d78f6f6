/* SPDX-License-Identifier: MIT */
/* image.c - images as objects, and what they say of themselves. */
#include "image/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "image/image_hooks.h"
#include "image/image_tables.h"
#include "image/verify.h"

void tg_image_free(struct tg_image *image)
{
	if (!image)
		return;
	tg_image_tables_free(image);
	free(image->rows);
	free(image);
}

int tg_image_parse(const void *bytes, size_t size, struct tg_image **image)
{
	struct tg_image *fresh;
	int error = TG_REQUIRE(bytes);

	if (!error)
		error = TG_REQUIRE(image);
	if (error)
		return error;
	if (size > TG_MAX_IMAGE_BYTES)
		return tg_fail(-EINVAL, "not a Tidegate image: %zu bytes, an image has at most %u",
			       size, TG_MAX_IMAGE_BYTES);
	fresh = calloc(1, sizeof(*fresh));
	if (fresh)
		fresh->rows = malloc(size + 1);
	if (!fresh || !fresh->rows) {
		tg_image_free(fresh);
		return tg_fail(-ENOMEM, "out of memory: no room for an image");
	}
	/* What is verified is the copy: somebody else may still write to the bytes. */
	memcpy(fresh->rows, bytes, size);
	fresh->bytes = size;
	error = tg_image_verify(fresh->rows, size);
	if (error) {
		tg_image_free(fresh);
		return error;
	}
	((struct tg_image_header *)fresh->rows)->generation = 0;
	*image = fresh;
	return 0;
}

const void *tg_image_bytes(const struct tg_image *image, size_t *size)
{
	if (image && size)
		*size = image->bytes;
	return image ? image->rows : NULL;
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
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_image_info, 168);
	const struct tg_image_about *about;
	struct tg_image_info own;
	int error = TG_REQUIRE(image);

	if (!error && info)
		error = tg_struct_check(kind, info);
	if (error)
		return error;
	about = image_about(image);
	own = (struct tg_image_info){
		.name = blob_text(image, about->name),
		.bytes = image->bytes,
		.rules = about->rules,
		.hooks = tg_image_hooks(image->rows),
		.flags = about->flags & TG_IMAGE_SHADOW ? TG_POLICY_SHADOW : 0,
	};
	for (int op = 0; op < TG_OP_COUNT; op++) {
		own.defaults[op] = default_verb(image->rows, op);
		own.on_error[op] = about->deny_on_error & TG_BIT(op) ? TG_VERB_DENY : TG_VERB_ALLOW;
	}
	if (info)
		tg_struct_give(kind, info, &own);
	return 0;
}

int tg_image_rule(const struct tg_image *image, uint32_t index, struct tg_rule_info *info)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_rule_info, 48);
	const struct tg_rule_entry *rule;
	struct tg_rule_info own;
	uint32_t rules;
	int error = TG_REQUIRE(image);

	if (!error && info)
		error = tg_struct_check(kind, info);
	if (error)
		return error;
	rules = image_about(image)->rules;
	if (index >= rules)
		return tg_fail(-ERANGE, "the image has no rule %u: it has %u", index, rules);
	rule = (const struct tg_rule_entry *)blob_text(image, 0) + index;
	own = (struct tg_rule_info){
		.name = blob_text(image, rule->name),
		.where = blob_text(image, rule->where),
		.text = blob_text(image, rule->text),
		.message = blob_text(image, rule->message),
		.verb = rule->verb,
		.ops = rule->ops,
	};
	if (info)
		tg_struct_give(kind, info, &own);
	return 0;
}
