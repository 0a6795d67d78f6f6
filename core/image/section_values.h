/* SPDX-License-Identifier: MIT */
/*
 * section_values.h - a section read value by value: the spans of a field, and the terms that
 * hold in a class of spans.
 *
 * The image no longer has what the rule of a term says, but the classes are exact all the same.
 */
#ifndef TG_IMAGE_SECTION_VALUES_H
#define TG_IMAGE_SECTION_VALUES_H

#include "base/interval.h"
#include "bpf/engine/tree_search.h"
#include "image/image.h"

/* The values after the span before, up to `last`, have the class `cls`. */
typedef int tg_span_visit(void *context, struct tg_key128 last, uint32_t cls);

/*
 * Visit the spans of a key that the section has a tree of, in ascending order, until a visit
 * fails.  -EINVAL: damaged image.
 */
int tg_section_spans(const struct tg_view *view, const struct tg_section *section, enum tg_key key,
		     tg_span_visit *visit, void *context);

/* How many words a bitset of the section's terms has; at least one. */
static inline uint32_t tg_section_words(const struct tg_section *section)
{
	return (section->terms + TG_WORD_TERMS - 1) / TG_WORD_TERMS + !section->terms;
}

/* The terms that hold for a class of a key, as a bitset.  -EINVAL: damaged image. */
int tg_section_class(const struct tg_view *view, const struct tg_section *section, enum tg_key key,
		     uint32_t cls, uint64_t *words);

#endif
