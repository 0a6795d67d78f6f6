/* SPDX-License-Identifier: MIT */
/* rule_names.c - the names and the messages of the rules of the last images. */
#include "gate/rule_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/printable.h"
#include "gate/gate.h"

struct tg_rule_names {
	uint64_t first, last; /* the generations that have these names */
	uint32_t count;
	size_t bytes;   /* of all words, each with its NUL */
	char *text;     /* behind `start` */
	size_t start[]; /* in the text: of each rule's name and message */
};

/* --- The names of one image ------------------------------------------------------ */

/* Word 2 n is the name of rule n, the next its message. */
static const char *word_of(const struct tg_image *image, uint32_t word)
{
	struct tg_rule_info info = {.size = sizeof(info)};

	if (tg_image_rule(image, word / 2, &info))
		return "";
	return word % 2 ? info.message : info.name;
}

static int make_names(const struct tg_image *image, struct tg_rule_names **out)
{
	struct tg_image_info info = {.size = sizeof(info)};
	struct tg_rule_names *names;
	size_t bytes = 0;
	int error = tg_image_info(image, &info);

	if (error)
		return error;
	for (uint32_t word = 0; word < 2 * info.rules; word++)
		bytes += strlen(word_of(image, word)) + 1;
	names = malloc(sizeof(*names) + 2 * info.rules * sizeof(*names->start) + bytes);
	if (!names)
		return tg_fail(-ENOMEM, "out of memory: no room for the rules' names");
	names->count = info.rules;
	names->bytes = 0;
	names->text = (char *)&names->start[2 * info.rules];
	for (uint32_t word = 0; word < 2 * info.rules; word++) {
		const char *text = word_of(image, word);

		names->start[word] = names->bytes;
		strcpy(names->text + names->bytes, text);
		names->bytes += strlen(text) + 1;
	}
	*out = names;
	return 0;
}

static bool are_same(const struct tg_rule_names *a, const struct tg_rule_names *b)
{
	return a->count == b->count && a->bytes == b->bytes && !memcmp(a->text, b->text, a->bytes);
}

/* --- The history ------------------------------------------------------------------ */

void tg_name_history_free(struct tg_name_history *history)
{
	for (int i = 0; i <= TG_NAMES_KEPT; i++)
		free(history->kept[i]);
}

int tg_name_history_add(struct tg_name_history *history, const struct tg_image *image,
			uint64_t generation)
{
	struct tg_rule_names **kept = history->kept;
	struct tg_rule_names *names = NULL;
	int error = make_names(image, &names);

	if (error)
		return error;
	if (kept[0] && kept[0]->last + 1 == generation && are_same(kept[0], names)) {
		free(names);
	} else {
		memmove(kept + 1, kept, TG_NAMES_KEPT * sizeof(*kept));
		kept[0] = names;
		names->first = generation;
	}
	kept[0]->last = generation;
	history->added = true;
	return 0;
}

void tg_name_history_settle(struct tg_name_history *history, bool published)
{
	struct tg_rule_names **kept = history->kept;

	if (history->added && !published && --kept[0]->last < kept[0]->first) {
		free(kept[0]);
		memmove(kept, kept + 1, TG_NAMES_KEPT * sizeof(*kept));
		kept[TG_NAMES_KEPT] = NULL;
	}
	if (published) {
		free(kept[TG_NAMES_KEPT]);
		kept[TG_NAMES_KEPT] = NULL;
	}
	history->added = false;
}

/* The words of the generation, if it is remembered and has a rule with this index. */
static const struct tg_rule_names *find_names(const struct tg_name_history *history,
					      uint64_t generation, uint32_t index)
{
	for (int i = 0; i <= TG_NAMES_KEPT && history->kept[i]; i++) {
		const struct tg_rule_names *names = history->kept[i];

		if (generation >= names->first && generation <= names->last)
			return index < names->count ? names : NULL;
	}
	return NULL;
}

static void copy_word(const struct tg_rule_names *names, uint32_t word, char *text, size_t size)
{
	const char *found = names->text + names->start[word];
	size_t length = tg_utf8_cut(found, size - 1);

	memcpy(text, found, length);
	text[length] = 0;
}

bool tg_gate_copy_words(const struct tg_gate *gate, uint64_t generation, uint32_t index,
			struct tg_rule_words *words)
{
	const struct tg_rule_names *names;

	tg_gate_lock(gate);
	names = find_names(&gate->names, generation, index);
	if (names) {
		copy_word(names, 2 * index, words->name, sizeof(words->name));
		copy_word(names, 2 * index + 1, words->message, sizeof(words->message));
	}
	tg_gate_unlock(gate);
	return names;
}

const char *tg_gate_rule_name(const struct tg_gate *gate, uint64_t generation, uint32_t index)
{
	static _Thread_local struct tg_rule_words words;

	return gate && tg_gate_copy_words(gate, generation, index, &words) ? words.name : NULL;
}

const char *tg_gate_rule_message(const struct tg_gate *gate, uint64_t generation, uint32_t index)
{
	static _Thread_local struct tg_rule_words words;

	if (!gate || !tg_gate_copy_words(gate, generation, index, &words))
		return NULL;
	return *words.message ? words.message : NULL;
}
