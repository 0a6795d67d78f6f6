/* SPDX-License-Identifier: MIT */
/* image_needs.c - which program spec and which hooks an image needs. */
#include "image/image_needs.h"

#include <bpf/libbpf.h>

#include "base/libbpf_log.h"
#include "image/image.h"
#include "image/image_backends.h"
#include "image/image_directory.h"
#include "image/image_hooks.h"

#define LEAST_ROWS  1024u /* 64 KiB: most policies can grow without a new program set */
#define LEAST_SLOTS 256u

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t power_of_two(uint32_t least, uint32_t value)
{
	while (least < value)
		least *= 2;
	return least;
}

/* How many of the last images are kept, each in a slot of `rows`, which is a power of two. */
static uint32_t images_kept(uint32_t rows)
{
	uint32_t fit = TG_IMAGES_BYTES / TG_ROW_BYTES / rows;

	if (fit > TG_MAX_IMAGES)
		return TG_MAX_IMAGES;
	return fit > 2 ? fit : 2;
}

static uint32_t effect_features(uint32_t effects)
{
	static const struct {
		uint32_t effect, feature;
	} needs[] = {
		{TG_EFFECT_LOG, TG_FEATURE_LOG},
		{TG_EFFECT_LOG_REFUSED, TG_FEATURE_LOG},
		{TG_EFFECT_BIND_SOURCE, TG_FEATURE_BIND_SOURCE},
		{TG_EFFECT_SHADOW, TG_FEATURE_SHADOW},
		{TG_EFFECT_SOCKOPT, TG_FEATURE_SOCKOPT},
		{TG_EFFECT_RATE, TG_FEATURE_RATES},
		{TG_EFFECT_STICKY, TG_FEATURE_STICKY},
		{TG_EFFECT_LIVE, TG_FEATURE_SETS},
		{TG_EFFECT_TRIAL, TG_FEATURE_TRIAL},
	};
	uint32_t features = 0;

	for (size_t i = 0; i < LENGTH(needs); i++)
		if (effects & needs[i].effect)
			features |= needs[i].feature;
	return features;
}

static bool is_per_netns(const void *rows, const struct tg_term *term)
{
	const struct tg_term_rest *rest;

	if (!(term->effects & TG_EFFECT_RATE))
		return false;
	rest = tg_image_row(rows, term->rest_row);
	return rest->rate_per == TG_PER_NETNS;
}

static uint32_t section_features(const void *rows, const struct tg_section *section)
{
	uint32_t features = section->terms > TG_WORD_TERMS ? TG_FEATURE_MANY : 0;

	for (uint32_t i = 0; section->rated && i < section->terms; i++)
		if (is_per_netns(rows, &tg_image_terms(rows, section)[i]))
			features |= TG_FEATURE_PER_NETNS;
	for (uint32_t i = 0; i < section->sets; i++)
		if (section->set[i] & TG_SET_IS_OWN)
			features |= TG_FEATURE_OWN_SETS;
	return features;
}

/* What only the owner of an MPTCP socket can say of himself: the kernel knows his user anyway. */
#define OWNER_KEYS                                                                                 \
	(TG_BIT(TG_KEY_GID) | TG_BIT(TG_KEY_PID) | TG_BIT(TG_KEY_COMM) | TG_BIT(TG_KEY_EXE))
#define CALLER_KEYS (OWNER_KEYS | TG_BIT(TG_KEY_UID) | TG_BIT(TG_KEY_CGROUP))

/* The operations that the kernel itself carries out on an MPTCP socket. */
#define OWNER_OPS (TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_BIND))

static uint32_t owner_features(const void *rows)
{
	const struct tg_section *section;
	uint32_t features = 0;

	for (int op = 0; (section = tg_image_section_next(rows, &op)); op++)
		if (op < TG_OP_COUNT && OWNER_OPS & TG_BIT(op) && section->keys & CALLER_KEYS)
			features |= TG_FEATURE_OWNER;
	return features;
}

static uint32_t table_features(const void *rows)
{
	uint32_t features = 0;

	if (tg_image_table_of(rows, TG_TABLE_SERVICES, 0))
		features |= TG_FEATURE_SERVICES | TG_FEATURE_BALANCE;
	if (tg_image_blocks(rows))
		features |= TG_FEATURE_BALANCE;
	return features;
}

/* What rewriting takes, and remembering what the rewritten calls had asked for. */
static uint32_t rewrite_features(const void *rows)
{
	uint32_t features = 0;

	for (int op = 0; op < TG_OP_COUNT; op++)
		if (tg_image_op_rewrites(rows, (enum tg_op)op, true))
			features |= TG_FEATURE_REWRITE;
	/* Even if it is revealed: datagrams may go to such a peer, and kill looks for its sockets.
	 */
	if (tg_image_op_rewrites(rows, TG_OP_CONNECT, true))
		features |= TG_FEATURE_PEER;
	if (tg_image_op_rewrites(rows, TG_OP_BIND, false))
		features |= TG_FEATURE_LOCAL;
	if (tg_image_op_rewrites(rows, TG_OP_SENDMSG, false))
		features |= TG_FEATURE_SENT;
	if (tg_image_rewrites_paths(rows, false))
		features |= TG_FEATURE_PATH;
	if (tg_image_rewrites_paths(rows, true))
		features |= TG_FEATURE_PATH_BACK;
	return features;
}

/* Counters in as many copies as there may be processors: programs take theirs modulo this. */
static uint32_t copies_needed(void)
{
	int processors;

	tg_libbpf_log_begin();
	processors = libbpf_num_possible_cpus();
	tg_libbpf_log_end();
	if (processors < 1 || processors > (int)TG_MAX_COPIES)
		return TG_MAX_COPIES;
	return power_of_two(1, (uint32_t)processors);
}

void tg_program_spec_of_image(const void *rows, uint32_t slots, struct tg_spec *spec,
			      uint32_t *hooks)
{
	const struct tg_image_header *header = rows;
	const struct tg_image_about *about = tg_image_row(rows, 1);
	const struct tg_section *section;
	struct tg_spec need = {
		.rows = power_of_two(LEAST_ROWS, header->rows),
		.slots = power_of_two(LEAST_SLOTS, slots),
		.copies = copies_needed(),
		.features = effect_features(about->effects) | table_features(rows) |
			    rewrite_features(rows) | owner_features(rows),
	};

	for (int place = 0; (section = tg_image_section_next(rows, &place)); place++) {
		if (place < TG_OP_COUNT)
			need.keys[place] = section->keys;
		else
			need.unix_keys[place - TG_OP_COUNT] = section->keys;
		need.features |= section_features(rows, section);
	}
	need.images = images_kept(need.rows);
	*hooks = tg_image_hooks(rows);
	*spec = need;
}

static bool can_deny(const void *rows, const struct tg_section *section)
{
	const struct tg_term *terms = tg_image_terms(rows, section);

	for (uint32_t i = 0; i < section->terms; i++)
		if (terms[i].verb == TG_VERB_DENY && !(terms[i].effects & TG_EFFECT_SHADOW))
			return true;
	return false;
}

/* Bits, 1 << enum tg_op: whether an operation may be denied because of who its owner is. */
static uint32_t deny_unknown(const void *rows)
{
	const struct tg_section *section;
	uint32_t ops = 0;

	for (int op = 0; (section = tg_image_section_next(rows, &op)); op++)
		if (op < TG_OP_COUNT && OWNER_OPS & TG_BIT(op) && section->keys & OWNER_KEYS &&
		    can_deny(rows, section))
			ops |= TG_BIT(op);
	return ops;
}

uint32_t tg_image_deny_on_error(const void *rows)
{
	const struct tg_image_about *about = tg_image_row(rows, 1);

	if (about->flags & TG_IMAGE_SHADOW)
		return 0;
	return about->deny_on_error | deny_unknown(rows) << TG_DENY_UNKNOWN_SHIFT;
}

void tg_program_spec_widen(struct tg_spec *spec, const struct tg_spec *other)
{
	spec->rows = spec->rows > other->rows ? spec->rows : other->rows;
	spec->images = images_kept(spec->rows);
	spec->slots = spec->slots > other->slots ? spec->slots : other->slots;
	spec->features |= other->features;
	for (int op = 0; op < TG_OP_COUNT; op++) {
		spec->keys[op] |= other->keys[op];
		spec->unix_keys[op] |= other->unix_keys[op];
	}
}

bool tg_program_spec_covers(const struct tg_spec *spec, const struct tg_spec *other)
{
	if (spec->rows < other->rows || spec->slots < other->slots)
		return false;
	if (other->features & ~spec->features)
		return false;
	for (int op = 0; op < TG_OP_COUNT; op++) {
		if (other->keys[op] & ~spec->keys[op] ||
		    other->unix_keys[op] & ~spec->unix_keys[op])
			return false;
	}
	return true;
}
