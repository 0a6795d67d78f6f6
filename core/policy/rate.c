/* SPDX-License-Identifier: MIT */
/* rate.c - the rates of a rule, from their text: of its calls, and of its events. */
#include "policy/rate.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "bpf/layout/image_layout.h"
#include "parse/item.h"

#define SECOND_NS  1000000000ull
#define SECOND_US  1000000ull
#define MOST       1000000ull /* a second */
#define MOST_BURST (1u << 24)

static uint64_t unit_seconds(char unit)
{
	return unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 0;
}

static const char *const pers[TG_PERS] = {
	[TG_PER_UID] = "uid",     [TG_PER_CGROUP] = "cgroup",   [TG_PER_PID] = "pid",
	[TG_PER_NETNS] = "netns", [TG_PER_ADDRESS] = "address",
};

static int parse_per(const char *text, uint32_t *per)
{
	for (uint32_t i = TG_PER_UID; i < TG_PERS; i++) {
		if (strcmp(pers[i], text) != 0)
			continue;
		*per = i;
		return 0;
	}
	return tg_fail(-EINVAL,
		       "per: \"%s\": write \"uid\", \"cgroup\", \"pid\", \"netns\" or \"address\"",
		       text);
}

static int bad_rate(const char *text)
{
	return tg_fail(-EINVAL,
		       "over: \"%s\": write a rate such as \"100/s\", \"10/m\" or \"100/s burst "
		       "200\"",
		       text);
}

/* "10/minute": the unit is a letter. */
static int bad_unit(const char *field, const char *text, uint64_t count, char unit)
{
	return tg_fail(-EINVAL, "%s: \"%s\": the rate is by s, m or h: write \"%llu/%c\"", field,
		       text, (unsigned long long)count, unit_seconds(unit) ? unit : 's');
}

static int parse_over(const char *text, struct tg_rate *rate)
{
	const char *s = text;
	uint64_t count, seconds, burst;

	if (!tg_number_scan(&s, UINT32_MAX, &count) || *s++ != '/')
		return bad_rate(text);
	seconds = unit_seconds(*s);
	if (!seconds)
		return bad_rate(text);
	if (!count)
		return tg_fail(-EINVAL, "over: \"%s\": every call exceeds that: leave it out",
			       text);
	if (count > MOST * seconds)
		return tg_fail(-EINVAL, "over: \"%s\": the limit is %llu/s", text, MOST);
	/* By default one second's calls, but at least one. */
	burst = count / seconds ? count / seconds : 1;
	s++;
	if (!strncmp(s, " burst ", 7)) {
		s += 7;
		if (!tg_number_scan(&s, MOST_BURST, &burst))
			return bad_rate(text);
	}
	if (*s >= 'a' && *s <= 'z')
		return bad_unit("over", text, count, s[-1]);
	if (*s)
		return bad_rate(text);
	if (!burst)
		return tg_fail(-EINVAL, "over: \"%s\": a burst is at least one call", text);
	rate->interval_ns = seconds * SECOND_NS / count;
	rate->window_ns = rate->interval_ns * burst;
	return 0;
}

int tg_rate_parse(const char *over, const char *per, struct tg_rate *rate)
{
	struct tg_rate parsed = {.per = TG_PER_RULE};
	int error = 0;

	if (per && !over)
		return tg_fail(-EINVAL, "per: says whose calls over counts together: add over");
	if (over)
		error = parse_over(over, &parsed);
	if (!error && per)
		error = parse_per(per, &parsed.per);
	if (!error)
		*rate = parsed;
	return error;
}

/* "10/s": at most 10 events a second; "1/100": one call in 100. */
static int parse_log_rate(const char *text, struct tg_term *term)
{
	const char *s = text, *unit;
	uint64_t count, every, seconds;

	if (!tg_number_scan(&s, UINT32_MAX, &count) || *s++ != '/')
		return tg_fail(-EINVAL,
			       "log: \"%s\": write true, false, a rate such as \"10/s\", "
			       "\"10/m\" or \"10/h\", or one call in many: \"1/100\"",
			       text);
	if (!count)
		return tg_fail(-EINVAL, "log: \"%s\": never: write false", text);
	unit = s;
	seconds = unit_seconds(*s);
	if (seconds && !s[1]) {
		if (count > seconds * SECOND_US)
			return tg_fail(-EINVAL, "log: \"%s\": over 1000000 a second: write true",
				       text);
		/* Rounded up, so that the rate is never exceeded. */
		term->log_interval_us = (uint32_t)((seconds * SECOND_US + count - 1) / count);
		term->log_window_s = (uint32_t)seconds;
		return 0;
	}
	if (!tg_number_scan(&s, UINT32_MAX, &every) || *s)
		return bad_unit("log", text, count, *unit);
	if (count != 1 || !every)
		return tg_fail(-EINVAL, "log: \"%s\": one call in many is written \"1/100\"", text);
	term->log_every = (uint32_t)every;
	return 0;
}

int tg_log_rate_parse(const char *text, struct tg_term *term)
{
	int error = 0;

	if (!strcmp(text, "false"))
		return 0;
	term->log_every = 1;
	if (strcmp(text, "true") != 0)
		error = parse_log_rate(text, term);
	term->effects |= TG_EFFECT_LOG;
	return error;
}
