/* SPDX-License-Identifier: MIT */
/* effect.c - what a rule does, from its text to the row of its terms. */
#include "policy/effect.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/hook.h"
#include "base/names.h"
#include "parse/item.h"
#include "parse/target.h"
#include "policy/rate.h"

/* Larger numbers are for use inside the kernel. */
#define LAST_ERRNO EHWPOISON

/* A text that is no errno: perhaps another case, or a slip. */
static int refuse_errno(const char *text)
{
	const char *near = tg_errno_near(text);

	if (near && !strcasecmp(near, text))
		return tg_fail(-EINVAL, "errno: \"%s\": errnos are in capitals: write \"%s\"", text,
			       near);
	if (near)
		return tg_fail(-EINVAL, "errno: \"%s\": not an errno; did you mean \"%s\"?", text,
			       near);
	return tg_fail(-EINVAL, "errno: \"%s\": not an errno, such as ECONNREFUSED or 111", text);
}

static int parse_errno_number(const char *text, int *number)
{
	const char *s = text;
	uint64_t value;

	if (!tg_number_scan(&s, INT32_MAX, &value) || *s)
		return refuse_errno(text);
	if (!value)
		return tg_fail(-EINVAL, "errno: 0: a denial needs an errno; to let a call pass "
					"write allow");
	if (value > LAST_ERRNO)
		return tg_fail(-EINVAL, "errno: %s: over %d, which programs never see", text,
			       LAST_ERRNO);
	if (!tg_errno_name(value))
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
					"recvmsg, getpeername or getsockname; in C ops is a set of "
					"bits, such as TG_BIT(TG_OP_CONNECT)");
	if (rule->ops >> TG_OP_COUNT)
		return tg_fail(-EINVAL, "%d is not an operation",
			       __builtin_ctz(rule->ops >> TG_OP_COUNT) + TG_OP_COUNT);
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
		return tg_fail(-EINVAL, "to: a balance has backends: see tg_policy_add_backend()");
	if (!rewrites && rule->to)
		return tg_fail(-EINVAL, "to: only rewrite and balance have it");
	if (!rewrites && rule->verb != TG_VERB_BALANCE && rule->flags & TG_RULE_REVEAL)
		return tg_fail(-EINVAL, "reveal: only rewrite and balance have it");
	if (rule->flags & TG_RULE_REVEAL && rule->ops & TG_OPS_REPORTS)
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
	if (rule->bind_source && rule->verb == TG_VERB_DENY)
		return tg_fail(-EINVAL, "bind_source: a denied call has none");
	if (rule->bind_source && rule->ops & ~TG_OPS_EGRESS)
		return tg_fail(-EINVAL, "bind_source: only connect and sendmsg have one");
	return 0;
}

static int check_set(const struct tg_rule *rule)
{
	const uint32_t with_options = TG_BIT(TG_OP_CONNECT) | TG_BIT(TG_OP_BIND);

	if (!rule->sockopt)
		return 0;
	if (rule->verb == TG_VERB_DENY)
		return tg_fail(-EINVAL, "sockopt: a denied call sets nothing");
	if (rule->ops & TG_BIT(TG_OP_SENDMSG))
		return tg_fail(-EINVAL,
			       "sockopt: a datagram has read the socket's options before its "
			       "hook runs: set them on connect or bind");
	if (rule->ops & ~with_options)
		return tg_fail(-EINVAL, "sockopt: only connect and bind have it");
	return 0;
}

/* An observed call goes on as if the rule did not exist, so the rule may change nothing. */
static int check_observe(const struct tg_rule *rule)
{
	const char *field = rule->bind_source                ? "bind_source"
			    : rule->sockopt                  ? "sockopt"
			    : rule->flags & TG_RULE_LOW_PORT ? "low_port"
			    : rule->flags & TG_RULE_SHADOW   ? "shadow"
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

static int check_flags(const struct tg_rule *rule)
{
	const uint32_t known = TG_RULE_REVEAL | TG_RULE_LOW_PORT | TG_RULE_SHADOW;
	int error = tg_check_bits("flags", rule->flags, known);

	if (!error && rule->reserved)
		error = tg_fail(-EINVAL, "reserved: must be 0");
	return error;
}

/* Fields that the verb needs, or cannot have. */
static int check_fields(const struct tg_rule *rule)
{
	int error = check_flags(rule);

	if (!error)
		error = check_observe(rule);
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
	if (rule->flags & TG_RULE_LOW_PORT && rule->verb == TG_VERB_DENY)
		return tg_fail(-EINVAL, "low_port: a denied bind needs no privilege");
	if (rule->flags & TG_RULE_LOW_PORT && rule->ops != TG_BIT(TG_OP_BIND))
		return tg_fail(-EINVAL, "low_port: only bind has it");
	return 0;
}

/* Put the name of the field in front of an error. */
static int in_field(const char *field, int error)
{
	return error ? tg_fail(error, "%s: %s", field, tg_error()) : 0;
}

static int parse_to(struct tg_policy_rule *fresh, const struct tg_rule *rule)
{
	struct tg_target_addresses addresses = {0};
	int error = tg_target_parse(rule->to, rule->ops, false, &fresh->effect, &addresses);

	if (!error)
		tg_family_choice_set(&fresh->to, &addresses);
	return error;
}

static int parse_source(struct tg_policy_rule *fresh, const struct tg_rule *rule)
{
	struct tg_target_addresses addresses = {0};
	int error = tg_target_source(rule->bind_source, &fresh->effect, &addresses);

	if (!error)
		tg_family_choice_set(&fresh->bind_source, &addresses);
	return error;
}

/* What a rule does that may fail: then the call fails, too. */
static bool may_fail(const struct tg_rule *rule)
{
	return rule->verb == TG_VERB_REWRITE || rule->verb == TG_VERB_BALANCE ||
	       rule->bind_source || rule->sockopt;
}

/* Default: a rule logs the calls that it refuses. */
static int parse_log(const struct tg_rule *rule, struct tg_term *term)
{
	bool refuses = rule->verb == TG_VERB_DENY || may_fail(rule);
	const char *text = rule->log ?: refuses ? "100/s" : "false";
	int error;

	if (!rule->log && rule->verb == TG_VERB_OBSERVE)
		text = "true";
	error = tg_log_rate_parse(text, term);
	if (!error && !rule->log && may_fail(rule))
		term->effects ^= TG_EFFECT_LOG | TG_EFFECT_LOG_REFUSED;
	return error;
}

/* Each mistake in the texts of a rule. */
static void parse_texts(struct tg_policy_rule *fresh, const struct tg_rule *rule,
			struct tg_mistakes *mistakes)
{
	struct tg_term *term = &fresh->effect;

	if (rule->verb == TG_VERB_DENY)
		tg_mistakes_add(mistakes, parse_errno(rule->error, EPERM, &term->error));
	if (rule->verb == TG_VERB_DENY && rule->error)
		term->effects |= TG_EFFECT_ERRNO;
	if (rule->verb == TG_VERB_BALANCE)
		tg_mistakes_add(mistakes, parse_errno(rule->error, EHOSTUNREACH, &term->error));
	if (rule->to)
		tg_mistakes_add(mistakes, in_field("to", parse_to(fresh, rule)));
	if (rule->bind_source)
		tg_mistakes_add(mistakes, in_field("bind_source", parse_source(fresh, rule)));
	if (rule->bind_source && term->bind_source_port_be && rule->ops & TG_BIT(TG_OP_SENDMSG))
		tg_mistakes_add(
			mistakes,
			tg_fail(-EINVAL,
				"bind_source: \"%s\": a datagram leaves from its socket's port: "
				"write the address alone",
				rule->bind_source));
	tg_mistakes_add(mistakes, parse_log(rule, term));
}

void tg_effect_parse(struct tg_policy_rule *fresh, const struct tg_rule *rule,
		     struct tg_mistakes *mistakes)
{
	struct tg_term *term = &fresh->effect;
	int error = check_ops(rule);

	tg_mistakes_add(mistakes, error);
	if (error)
		return;
	tg_mistakes_add(mistakes, check_fields(rule));
	term->verb = (uint8_t)rule->verb;
	parse_texts(fresh, rule, mistakes);
	if (rule->flags & TG_RULE_REVEAL)
		term->effects |= TG_EFFECT_REVEAL;
	if (rule->flags & TG_RULE_LOW_PORT)
		term->effects |= TG_EFFECT_LOW_PORT;
	if (rule->flags & TG_RULE_SHADOW || rule->verb == TG_VERB_OBSERVE)
		term->effects |= TG_EFFECT_SHADOW;
	if (rule->sockopt)
		term->effects |= TG_EFFECT_SOCKOPT;
}
