/* SPDX-License-Identifier: MIT */
/*
 * dump_effects.c - what a term does, as the texts of a rule again: the way back from
 * core/policy/effect.c and what it uses.
 */
#include "dump/dump_effects.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "bpf/layout/backend_layout.h"
#include "parse/address.h"

/* --- Rates -------------------------------------------------------------------------------- */

#define MOST_A_SECOND 1000000ull

static const struct {
	char letter;
	uint64_t seconds;
} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};

#define UNITS (sizeof(units) / sizeof(*units))

static int no_rate(const char *field)
{
	return tg_fail(-EOPNOTSUPP, "%s: no rate is this one", field);
}

/* "10/s", "1/100", or "true"; the interval was rounded up. */
static int log_text(const struct tg_term *term, char *text, size_t size)
{
	uint64_t interval = term->log_interval_us;

	if (!interval && term->log_every == 1)
		snprintf(text, size, "true");
	else if (!interval)
		snprintf(text, size, "1/%u", term->log_every);
	for (size_t i = 0; i < UNITS && interval; i++) {
		uint64_t span = units[i].seconds * 1000000,
			 count = (span + interval - 1) / interval;

		if (units[i].seconds != term->log_window_s)
			continue;
		if ((span + count - 1) / count != interval)
			return no_rate("log");
		snprintf(text, size, "%llu/%c", (unsigned long long)count, units[i].letter);
		return 0;
	}
	return interval ? no_rate("log") : 0;
}

/* What a rule that says nothing about its events has: "100/s". */
static bool is_default_rate(const struct tg_term *term)
{
	return term->log_every == 1 && term->log_interval_us == 10000 && term->log_window_s == 1;
}

/* What a rule does that may fail: then it logs that, unless it says otherwise. */
static bool may_fail(const struct tg_term *term)
{
	return term->verb == TG_VERB_REWRITE || term->verb == TG_VERB_BALANCE ||
	       term->effects & (TG_EFFECT_BIND_SOURCE | TG_EFFECT_SOCKOPT);
}

static int read_log(const struct tg_term *term, struct tg_dump_effects *texts, struct tg_rule *rule)
{
	bool logs = term->effects & TG_EFFECT_LOG;

	if (term->effects & TG_EFFECT_LOG_REFUSED)
		return 0;
	if (!logs && term->verb != TG_VERB_DENY && !may_fail(term))
		return 0;
	if (!logs) {
		rule->log = "false";
		return 0;
	}
	if (term->verb == TG_VERB_DENY && is_default_rate(term))
		return 0;
	if (rule->verb == TG_VERB_OBSERVE && term->log_every == 1 && !term->log_interval_us)
		return 0;
	rule->log = texts->log;
	return log_text(term, texts->log, sizeof(texts->log));
}

/* "100/s burst 200"; the interval was rounded down. */
static int over_text(const struct tg_term_rest *rest, char *text, size_t size)
{
	uint64_t interval = rest->rate_interval_ns;

	for (size_t i = 0; i < UNITS && interval; i++) {
		uint64_t seconds = units[i].seconds, span = seconds * 1000000000;
		uint64_t count = span / interval, burst = rest->rate_window_ns / interval;
		uint64_t usual = count / seconds ? count / seconds : 1;

		if (!count || count > MOST_A_SECOND * seconds || span / count != interval)
			continue;
		if (burst == usual)
			snprintf(text, size, "%llu/%c", (unsigned long long)count, units[i].letter);
		else
			snprintf(text, size, "%llu/%c burst %llu", (unsigned long long)count,
				 units[i].letter, (unsigned long long)burst);
		return 0;
	}
	return no_rate("over");
}

static int read_over(const struct tg_term_rest *rest, struct tg_dump_effects *texts,
		     struct tg_rule *rule)
{
	static const char *const pers[TG_PERS] = {
		[TG_PER_UID] = "uid",     [TG_PER_CGROUP] = "cgroup",   [TG_PER_PID] = "pid",
		[TG_PER_NETNS] = "netns", [TG_PER_ADDRESS] = "address",
	};

	rule->over = texts->over;
	rule->per = rest->rate_per < TG_PERS ? pers[rest->rate_per] : NULL;
	return over_text(rest, texts->over, sizeof(texts->over));
}

/* --- Where a call goes, and from where ------------------------------------------------------ */

/* "127.0.0.1:80", "127.0.0.1" */
static void endpoint_text(const __u32 addr_be[4], __u16 port_be, char *text, size_t size)
{
	uint8_t bytes[16];

	memcpy(bytes, addr_be, sizeof(bytes));
	if (port_be)
		tg_endpoint_format(bytes, ntohs(port_be), text, size);
	else
		tg_addr_format(bytes, text, size);
}

static int path_text(const struct tg_image *image, int place, const struct tg_term *term,
		     char *text, size_t size)
{
	const struct tg_section *section = tg_image_section_at(image->rows, place);
	const struct tg_path_target *target;

	if (term->to_addr_be[0] >= section->targets)
		return tg_fail_damaged();
	target =
		tg_image_row(image->rows, section->target_row + term->to_addr_be[0] * TG_PATH_ROWS);
	snprintf(text, size, "unix:%s%.*s", target->path.at[0] ? "" : "@",
		 (int)(target->path.bytes < TG_PATH_BYTES ? target->path.bytes : TG_PATH_BYTES) -
			 !target->path.at[0],
		 (const char *)target->path.at + !target->path.at[0]);
	return 0;
}

static int read_to(const struct tg_image *image, int place, const struct tg_term *term,
		   struct tg_dump_effects *texts, struct tg_rule *rule)
{
	rule->to = texts->to;
	if (place >= TG_OP_COUNT)
		return path_text(image, place, term, texts->to, sizeof(texts->to));
	if (term->effects & TG_EFFECT_TO_ADDR)
		endpoint_text(term->to_addr_be, term->to_port_be, texts->to, sizeof(texts->to));
	else
		snprintf(texts->to, sizeof(texts->to), "*:%u", ntohs(term->to_port_be));
	return 0;
}

/* --- Balance --------------------------------------------------------------------------------- */

static void read_balance(const struct tg_term_rest *rest, struct tg_rule *rule)
{
	static const char *const keys[TG_BYS] = {
		[TG_BY_SOCKET] = "socket", [TG_BY_PID] = "pid",
		[TG_BY_UID] = "uid",       [TG_BY_CGROUP] = "cgroup",
		[TG_BY_NETNS] = "netns",   [TG_BY_DESTINATION] = "destination",
	};
	uint32_t key = rest->sticky_ms ? rest->sticky_by : rest->by;

	rule->by = rest->by == TG_BY_RANDOM ? NULL : "hash";
	rule->sticky_ms = rest->sticky_ms;
	if (key < TG_BYS && (rest->sticky_ms || key != TG_BY_SOCKET))
		rule->key = keys[key];
}

/* --- Socket options --------------------------------------------------------------------------- */

static void read_sockopt(const struct tg_options *options, struct tg_dump_effects *texts,
			 struct tg_rule *rule)
{
	const struct {
		const char *name;
		uint32_t bit, number;
		const __u8 *text;
	} all[] = {
		{"mark", TG_OPTION_MARK, options->mark, NULL},
		{"priority", TG_OPTION_PRIORITY, options->priority, NULL},
		{"tos", TG_OPTION_TOS, options->tos, NULL},
		{"device", TG_OPTION_DEVICE, 0, options->device},
		{"keepalive", TG_OPTION_KEEPALIVE, options->keepalive, NULL},
		{"keepidle", TG_OPTION_KEEPIDLE, options->keepidle, NULL},
		{"keepintvl", TG_OPTION_KEEPINTVL, options->keepintvl, NULL},
		{"keepcnt", TG_OPTION_KEEPCNT, options->keepcnt, NULL},
		{"congestion", TG_OPTION_CONGESTION, 0, options->congestion},
	};
	char *end = texts->sockopt;

	end[0] = end[1] = 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (!(options->given & all[i].bit))
			continue;
		if (all[i].text)
			end += sprintf(end, " %s=%.15s", all[i].name, (const char *)all[i].text);
		else
			end += sprintf(end, " %s=%u", all[i].name, all[i].number);
	}
	rule->sockopt = texts->sockopt + 1;
}

/* --- All of them --------------------------------------------------------------------------------
 */

static void read_flags(const struct tg_term *term, struct tg_rule *rule)
{
	if (term->effects & TG_EFFECT_REVEAL)
		rule->flags |= TG_RULE_REVEAL;
	if (term->effects & TG_EFFECT_LOW_PORT)
		rule->flags |= TG_RULE_LOW_PORT;
	if (term->effects & TG_EFFECT_SHADOW && rule->verb != TG_VERB_OBSERVE)
		rule->flags |= TG_RULE_SHADOW;
}

static int read_rest(const struct tg_image *image, const struct tg_term *term,
		     struct tg_dump_effects *texts, struct tg_rule *rule)
{
	const struct tg_term_rest *rest = tg_image_row(image->rows, term->rest_row);

	if (term->verb == TG_VERB_BALANCE)
		read_balance(rest, rule);
	if (term->effects & TG_EFFECT_SOCKOPT && rest->options_row)
		read_sockopt(tg_image_row(image->rows, rest->options_row), texts, rule);
	return term->effects & TG_EFFECT_RATE ? read_over(rest, texts, rule) : 0;
}

int tg_dump_effects_read(const struct tg_image *image, int place, const struct tg_term *term,
			 struct tg_dump_effects *texts, struct tg_rule *rule)
{
	int error;

	read_flags(term, rule);
	if (term->effects & TG_EFFECT_ERRNO ||
	    (term->verb == TG_VERB_BALANCE && term->error != EHOSTUNREACH))
		rule->error = tg_errno_name(term->error);
	error = read_log(term, texts, rule);
	if (!error && term->verb == TG_VERB_REWRITE)
		error = read_to(image, place, term, texts, rule);
	if (!error && term->effects & TG_EFFECT_BIND_SOURCE) {
		endpoint_text(term->bind_source_addr_be, term->bind_source_port_be,
			      texts->bind_source, sizeof(texts->bind_source));
		rule->bind_source = texts->bind_source;
	}
	if (!error && term->rest_row)
		error = read_rest(image, term, texts, rule);
	return error;
}
