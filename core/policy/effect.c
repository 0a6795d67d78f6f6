/* SPDX-License-Identifier: MIT */
/* effect.c - what a rule does, from its text to the row of its terms. */
#include "policy/effect.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "parse/item.h"
#include "parse/target.h"
#include "policy/rate.h"

/* Larger numbers are for use inside the kernel. */
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

/* `number` is the default. */
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
	if (rule->verb == TG_VERB_DENY && rule->ops & TG_OPS_REPORTS)
		return tg_fail(-EINVAL,
			       "%s: cannot be denied: the kernel lets its hook only change what "
			       "is reported; write rewrite, or deny connect, bind or sendmsg",
			       first_op(rule->ops & TG_OPS_REPORTS));
	return 0;
}

static int check_rewrite(const struct tg_rule *rule)
{
	bool rewrites = rule->verb == TG_VERB_REWRITE;

	if (rewrites && !rule->to)
		return tg_fail(-EINVAL, "to: missing: write where the call is to go");
	if (rule->verb == TG_VERB_BALANCE && rule->to)
		return tg_fail(-EINVAL, "to: a balance has backends: see tg_policy_backend()");
	if (!rewrites && rule->to)
		return tg_fail(-EINVAL, "to: only rewrite and balance have it");
	if (!rewrites && rule->verb != TG_VERB_BALANCE && rule->reveal)
		return tg_fail(-EINVAL, "reveal: only rewrite and balance have it");
	if (rule->reveal && rule->ops & TG_OPS_REPORTS)
		return tg_fail(-EINVAL, "reveal: %s changes only what is shown: leave it out",
			       first_op(rule->ops & TG_OPS_REPORTS));
	return 0;
}

static int check_balance(const struct tg_rule *rule)
{
	if (rule->verb == TG_VERB_BALANCE && rule->ops & ~TG_OPS_EGRESS)
		return tg_fail(-EINVAL,
			       "%s: cannot be balanced: write "
			       "connect, sendmsg or egress",
			       first_op(rule->ops & ~TG_OPS_EGRESS));
	if (rule->verb != TG_VERB_BALANCE && (rule->by || rule->key || rule->sticky_ms))
		return tg_fail(-EINVAL, "%s: only balance has it",
			       rule->by    ? "by"
			       : rule->key ? "key"
					   : "sticky");
	return 0;
}

static int check_source_ops(const struct tg_rule *rule)
{
	if (rule->source && rule->verb == TG_VERB_DENY)
		return tg_fail(-EINVAL, "source: a denied call has none");
	if (rule->source && rule->ops & ~TG_OPS_EGRESS)
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

/* An observed call goes on as if the rule did not exist, so the rule may change nothing. */
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
			       "%s: observe only counts and reports: leave it out, or write allow",
			       field);
	if (rule->log && !strcmp(rule->log, "false"))
		return tg_fail(-EINVAL, "log: observe exists to report: write a rate such as "
					"\"10/s\", or leave the rule out");
	return 0;
}

/* Fields that the verb needs, or cannot have. */
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
		error = tg_log_rate_parse(rule->log, &parsed);
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
