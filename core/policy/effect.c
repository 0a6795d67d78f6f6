/* SPDX-License-Identifier: MIT */
/* effect.c - what a rule does, from its text to the row of its terms. */
#include "policy/effect.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "parse/item.h"
#include "parse/target.h"

#define SECOND_US 1000000ull

/* Beyond are numbers for use inside the kernel. */
#define LAST_ERRNO EHWPOISON

static int parse_errno_number(const char *text, int *number)
{
	const char *s = text;
	uint64_t value;

	if (!tg_number_scan(&s, INT32_MAX, &value) || *s)
		return tg_fail(-EINVAL, "errno: \"%s\": not an errno, such as ECONNREFUSED or 111",
			       text);
	if (!value)
		return tg_fail(-EINVAL, "errno: 0: a denial needs an errno; to let a call pass "
					"write allow");
	if (value > LAST_ERRNO)
		return tg_fail(-EINVAL, "errno: %s: over %d, which programs never see", text,
			       LAST_ERRNO);
	if (!tg_errno_name((int)value))
		return tg_fail(-EINVAL, "errno: %s: no errno has this number", text);
	*number = (int)value;
	return 0;
}

/* `number`: where nothing is said. */
static int parse_errno(const char *text, int number, uint8_t *error)
{
	int failure = 0;

	if (text) {
		number = tg_errno_number(text);
		if (!number)
			failure = parse_errno_number(text, &number);
	}
	if (failure)
		return failure;
	if (number == EINPROGRESS || number == EALREADY)
		return tg_fail(-EINVAL,
			       "errno: %s: connect would look as if it were under way, and the "
			       "program would wait: write another, such as ECONNREFUSED",
			       tg_errno_name(number));
	if (number == EISCONN)
		return tg_fail(-EINVAL,
			       "errno: %s: connect would look as if it had succeeded: write "
			       "another, such as ECONNREFUSED",
			       tg_errno_name(number));
	*error = (uint8_t)number;
	return 0;
}

static uint64_t unit_seconds(const char *text)
{
	if (!strcmp(text, "s"))
		return 1;
	if (!strcmp(text, "m"))
		return 60;
	return strcmp(text, "h") ? 0 : 3600;
}

/* "10/s": at most that many; "1/100": one in so many. */
static int parse_rate(const char *text, struct tg_term *term)
{
	const char *s = text;
	uint64_t count, every, seconds;

	if (!tg_number_scan(&s, UINT32_MAX, &count) || *s++ != '/')
		return tg_fail(-EINVAL,
			       "log: \"%s\": write \"true\", \"false\", a rate such as \"10/s\", "
			       "\"10/m\" or \"10/h\", or one call in many: \"1/100\"",
			       text);
	if (!count)
		return tg_fail(-EINVAL, "log: \"%s\": never: write false", text);
	seconds = unit_seconds(s);
	if (seconds) {
		if (count > seconds * SECOND_US)
			return tg_fail(-EINVAL, "log: \"%s\": over 1000000 a second: write true",
				       text);
		/* Rounded up: never more than was asked for. */
		term->log_interval_us = (uint32_t)((seconds * SECOND_US + count - 1) / count);
		term->log_window_s = (uint32_t)seconds;
		return 0;
	}
	if (!tg_number_scan(&s, UINT32_MAX, &every) || *s)
		return tg_fail(-EINVAL, "log: \"%s\": the rate is by s, m or h: write \"%llu/s\"",
			       text, (unsigned long long)count);
	if (count != 1 || !every)
		return tg_fail(-EINVAL, "log: \"%s\": one call in many is written \"1/100\"", text);
	term->log_every = (uint32_t)every;
	return 0;
}

static int parse_log(const char *text, struct tg_term *term)
{
	int error = 0;

	if (!text)
		text = term->verb == TG_VERB_DENY      ? "100/s"
		       : term->verb == TG_VERB_OBSERVE ? "true"
						       : "false";
	if (!strcmp(text, "false"))
		return 0;
	term->log_every = 1;
	if (strcmp(text, "true") != 0)
		error = parse_rate(text, term);
	term->effects |= TG_EFFECT_LOG;
	return error;
}

/* The kernel lets these hooks change an answer, not refuse one. */
#define REPORTS (1u << TG_OP_RECVMSG | 1u << TG_OP_GETPEERNAME | 1u << TG_OP_GETSOCKNAME)

static const char *first_op(uint32_t ops)
{
	return tg_op_name(__builtin_ctz(ops));
}

static int check_ops(const struct tg_rule *rule)
{
	if (!rule->ops)
		return tg_fail(-EINVAL, "no operation: write connect, sendmsg, egress, bind, "
					"recvmsg, getpeername or getsockname");
	if (rule->ops >> TG_OPS)
		return tg_fail(-EINVAL, "%d is not an operation",
			       __builtin_ctz(rule->ops >> TG_OPS) + TG_OPS);
	if (rule->verb == TG_VERB_DENY && rule->ops & REPORTS)
		return tg_fail(-EINVAL,
			       "%s: cannot be denied: the kernel lets its hook only change what "
			       "is reported; write rewrite, or deny connect, bind or sendmsg",
			       first_op(rule->ops & REPORTS));
	return 0;
}

static int check_rewrite(const struct tg_rule *rule)
{
	bool rewrites = rule->verb == TG_VERB_REWRITE;

	if (rewrites && !rule->to)
		return tg_fail(-EINVAL, "to: missing: write where the call is to go");
	if (rule->verb == TG_VERB_BALANCE && rule->to)
		return tg_fail(-EINVAL, "to: of balance it is backends: see tg_policy_backend()");
	if (!rewrites && rule->to)
		return tg_fail(-EINVAL, "to: only rewrite and balance have it");
	if (!rewrites && rule->verb != TG_VERB_BALANCE && rule->reveal)
		return tg_fail(-EINVAL, "reveal: only rewrite and balance have it");
	if (rule->reveal && rule->ops & REPORTS)
		return tg_fail(-EINVAL, "reveal: %s changes only what is shown: leave it out",
			       first_op(rule->ops & REPORTS));
	return 0;
}

static int check_balance(const struct tg_rule *rule)
{
	const uint32_t goes = 1u << TG_OP_CONNECT | 1u << TG_OP_SENDMSG;

	if (rule->verb == TG_VERB_BALANCE && rule->ops & ~goes)
		return tg_fail(-EINVAL,
			       "%s: cannot be balanced: only what goes somewhere can: write "
			       "connect, sendmsg or egress",
			       first_op(rule->ops & ~goes));
	if (rule->verb != TG_VERB_BALANCE && (rule->by || rule->key || rule->sticky_ms))
		return tg_fail(-EINVAL, "%s: only balance has it",
			       rule->by    ? "by"
			       : rule->key ? "key"
					   : "sticky");
	return 0;
}

static int check_source_ops(const struct tg_rule *rule)
{
	const uint32_t with_source = 1u << TG_OP_CONNECT | 1u << TG_OP_SENDMSG;

	if (rule->source && rule->verb == TG_VERB_DENY)
		return tg_fail(-EINVAL, "source: a denied call has none");
	if (rule->source && rule->ops & ~with_source)
		return tg_fail(-EINVAL, "source: only connect and sendmsg have one");
	return 0;
}

static int check_set(const struct tg_rule *rule)
{
	const uint32_t with_options = 1u << TG_OP_CONNECT | 1u << TG_OP_BIND;

	if (!rule->set)
		return 0;
	if (rule->verb == TG_VERB_DENY)
		return tg_fail(-EINVAL, "set: a denied call sets nothing");
	if (rule->ops & 1u << TG_OP_SENDMSG)
		return tg_fail(-EINVAL, "set: a datagram has read the socket's options before its "
					"hook runs: set them on connect or bind");
	if (rule->ops & ~with_options)
		return tg_fail(-EINVAL, "set: only connect and bind have it");
	return 0;
}

/* The call goes on as if the rule were not there. */
static int check_observe(const struct tg_rule *rule)
{
	const char *field = rule->source       ? "source"
			    : rule->set        ? "set"
			    : rule->privileged ? "privileged"
			    : rule->shadow     ? "shadow"
					       : NULL;

	if (rule->verb != TG_VERB_OBSERVE)
		return 0;
	if (field)
		return tg_fail(-EINVAL,
			       "%s: observe only counts and tells: leave it out, or write allow",
			       field);
	if (rule->log && !strcmp(rule->log, "false"))
		return tg_fail(-EINVAL, "log: observe is there to tell: write a rate such as "
					"\"10/s\", or leave the rule out");
	return 0;
}

/* What the verb needs, and what it has no use for. */
static int check_fields(const struct tg_rule *rule)
{
	int error = check_observe(rule);

	if (!error)
		error = check_rewrite(rule);
	if (!error)
		error = check_balance(rule);
	if (!error)
		error = check_source_ops(rule);
	if (error)
		return error;
	if (rule->verb != TG_VERB_DENY && rule->verb != TG_VERB_BALANCE && rule->error)
		return tg_fail(-EINVAL, "errno: only deny and balance have one");
	error = check_set(rule);
	if (error)
		return error;
	if (rule->privileged && rule->verb == TG_VERB_DENY)
		return tg_fail(-EINVAL, "privileged: a denied bind needs no privilege");
	if (rule->privileged && rule->ops != 1u << TG_OP_BIND)
		return tg_fail(-EINVAL, "privileged: only bind has it");
	return 0;
}

int tg_effect_parse(struct tg_term *term, const struct tg_rule *rule)
{
	struct tg_term parsed = {.verb = (uint8_t)rule->verb};
	int error = check_ops(rule);

	if (!error)
		error = check_fields(rule);
	if (!error && rule->verb == TG_VERB_DENY)
		error = parse_errno(rule->error, EPERM, &parsed.error);
	if (!error && rule->verb == TG_VERB_BALANCE)
		error = parse_errno(rule->error, EHOSTUNREACH, &parsed.error);
	if (!error && rule->to)
		error = tg_target_parse(rule->to, rule->ops, &parsed);
	if (!error && rule->source)
		error = tg_target_source(rule->source, &parsed);
	if (!error)
		error = parse_log(rule->log, &parsed);
	if (error)
		return error;
	if (rule->source && parsed.source_port_be && rule->ops & 1u << TG_OP_SENDMSG)
		return tg_fail(-EINVAL,
			       "source: \"%s\": a datagram leaves from its socket's port: "
			       "write the address alone",
			       rule->source);
	if (rule->reveal)
		parsed.effects |= TG_EFFECT_REVEAL;
	if (rule->privileged)
		parsed.effects |= TG_EFFECT_PRIVILEGED;
	if (rule->shadow || rule->verb == TG_VERB_OBSERVE)
		parsed.effects |= TG_EFFECT_SHADOW;
	if (rule->set)
		parsed.effects |= TG_EFFECT_SET;
	*term = parsed;
	return 0;
}
