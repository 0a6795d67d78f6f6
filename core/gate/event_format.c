/* SPDX-License-Identifier: MIT */
/* event_format.c - events as text: lines for people, and JSON. */
#define _GNU_SOURCE /* tm_gmtoff */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "base/hook.h"
#include "base/names.h"
#include "base/printable.h"
#include "base/struct_size.h"
#include "base/writer.h"
#include "gate/event.h"
#include "gate/gate.h"
#include "parse/value.h"
#include "tidegate_private.h"

/* One event, and what is looked up for it. */
struct telling {
	const struct tg_event *event;
	const char *rule; /* NULL: the default decided */
	size_t rule_bytes;
	const char *message; /* NULL: the rule has none */
	size_t message_bytes;
	struct tg_writer *out;
	enum tg_escape escape;
};

/* A side of a call: what the program asked for, or where the call went. */
struct side {
	const uint8_t *addr;
	const uint8_t *path;
	size_t path_bytes;
	uint32_t port;
};

static struct side asked_side(const struct tg_event *event)
{
	return (struct side){event->asked_addr, event->asked_path, event->asked_path_bytes,
			     event->asked_port};
}

static struct side final_side(const struct tg_event *event)
{
	return (struct side){event->final_addr, event->final_path, event->final_path_bytes,
			     event->final_port};
}

/* "unix:/run/x.sock", "unix:@name": callers often count NULs behind a name. */
static void write_path(struct telling *to, struct side side)
{
	size_t count = side.path_bytes;
	bool abstract;

	if (count > sizeof(to->event->asked_path))
		count = sizeof(to->event->asked_path);
	while (count > 1 && !side.path[count - 1])
		count--;
	abstract = count && !side.path[0];
	tg_write(to->out, abstract ? "unix:@" : "unix:");
	tg_write_escaped(to->out, to->escape, side.path + abstract, count - abstract);
}

static void write_endpoint(struct telling *to, struct side side)
{
	char text[TG_ENDPOINT_TEXT];

	if (to->event->family == AF_UNIX) {
		write_path(to, side);
		return;
	}
	tg_endpoint_format(side.addr, side.port, text, sizeof(text));
	tg_write(to->out, text);
}

/* The thread's name, fit for a terminal whatever it is. */
static void write_comm(struct telling *to)
{
	const uint8_t *comm = to->event->comm;
	char text[4 * sizeof(to->event->comm) + 1];
	struct tg_writer plain = {.text = text, .size = sizeof(text)};

	tg_write_escaped(&plain, TG_ESCAPE_ASCII, comm,
			 strnlen((const char *)comm, sizeof(to->event->comm)));
	tg_write_escaped(to->out, to->escape, text, plain.length);
}

static const char *op_name(const struct tg_event *event)
{
	bool known = event->hook < TG_HOOK_COUNT;

	return known ? tg_op_name(tg_hook_kinds[event->hook].op) : "?";
}

/* "deny", and "?" for a verb that a newer library has. */
static const char *verb_name(const struct tg_event *event)
{
	return tg_verb_name(event->verb) ?: "?";
}

static void write_errno(struct telling *to)
{
	const char *name = tg_errno_name(to->event->error);

	if (name)
		tg_write(to->out, name);
	else
		tg_write_number(to->out, to->event->error);
}

static void write_protocol(struct telling *to)
{
	const char *name = tg_proto_name(to->event->protocol);

	if (name)
		tg_write(to->out, name);
	else
		tg_write_number(to->out, to->event->protocol);
}

/* --- Lines ----------------------------------------------------------------------- */

static void write_rule(struct telling *to)
{
	if (to->rule)
		tg_write_escaped(to->out, TG_ESCAPE_UTF8, to->rule, to->rule_bytes);
	else
		tg_write(to->out, "(default)");
}

/* What a line says of the flags, behind the rule. */
static void write_flags(struct telling *to, const char *verb)
{
	uint32_t flags = to->event->flags;

	if (flags & TG_EVENT_FAILED) {
		tg_write(to->out, " (");
		tg_write(to->out, verb);
		tg_write(to->out, ")");
	}
	if (flags & TG_EVENT_SHADOW)
		tg_write(to->out, " (shadow)");
	if (flags & TG_EVENT_REFUSED_BEFORE)
		tg_write(to->out, " (refused before)");
}

/* Nothing for tcp, because most calls are of it.  Unix sockets have none, which is 0. */
static void write_other_protocol(struct telling *to)
{
	if (to->event->protocol && to->event->protocol != IPPROTO_TCP) {
		tg_write(to->out, "/");
		write_protocol(to);
	}
}

/*
 * `deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED  curl[1234] uid 0`
 * `rewrite dns  sendmsg 1.1.1.1:53/udp -> 127.0.0.1:53  dig[1234] uid 0`
 */
static void write_line(struct telling *to)
{
	static const char spaces[] = "        ";
	const struct tg_event *event = to->event;
	const char *verb = verb_name(event);
	const char *first = event->flags & TG_EVENT_FAILED ? "failed" : verb;

	tg_write(to->out, first);
	tg_write(to->out, spaces + strnlen(first, sizeof(spaces) - 2));
	write_rule(to);
	write_flags(to, verb);
	tg_write(to->out, "  ");
	tg_write(to->out, op_name(event));
	tg_write(to->out, " ");
	write_endpoint(to, asked_side(event));
	write_other_protocol(to);
	if (event->error) {
		tg_write(to->out, "  ");
		write_errno(to);
	} else if ((event->verb == TG_VERB_REWRITE || event->verb == TG_VERB_BALANCE) &&
		   !(event->flags & TG_EVENT_REFUSED_BEFORE)) {
		tg_write(to->out, " -> ");
		write_endpoint(to, final_side(event));
	}
	tg_write(to->out, "  ");
	write_comm(to);
	tg_write(to->out, "[");
	tg_write_number(to->out, event->pid);
	tg_write(to->out, "] uid ");
	tg_write_number(to->out, event->uid);
	if (to->message) {
		tg_write(to->out, "  ");
		tg_write_escaped(to->out, TG_ESCAPE_UTF8, to->message, to->message_bytes);
	}
}

/* `2026-12-01T09:30:00.123+01:00 deny    no-metadata  connect …`, in the local time. */
static void write_timed_line(struct telling *to)
{
	uint64_t ms = tg_unix_ns(to->event->time_ns) / 1000000;
	time_t seconds = (time_t)(ms / 1000);
	struct tm local;
	char text[64];
	long east;

	localtime_r(&seconds, &local);
	east = local.tm_gmtoff / 60;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &local);
	tg_write(to->out, text);
	snprintf(text, sizeof(text), ".%03u%c%02ld:%02ld ", (unsigned)(ms % 1000),
		 east < 0 ? '-' : '+', labs(east) / 60, labs(east) % 60);
	tg_write(to->out, text);
	write_line(to);
}

/* --- JSON ------------------------------------------------------------------------- */

static void json_key(struct telling *to, const char *name)
{
	tg_write(to->out, to->out->length > 1 ? ",\"" : "\"");
	tg_write(to->out, name);
	tg_write(to->out, "\":");
}

static void json_number(struct telling *to, const char *name, uint64_t number)
{
	json_key(to, name);
	tg_write_number(to->out, number);
}

/* Text of our own; NULL: null. */
static void json_word(struct telling *to, const char *name, const char *text)
{
	json_key(to, name);
	tg_write(to->out, text ? "\"" : "null");
	tg_write(to->out, text ?: "");
	tg_write(to->out, text ? "\"" : "");
}

/* What another function writes, as a string. */
static void json_written(struct telling *to, const char *name, void (*write)(struct telling *))
{
	json_key(to, name);
	tg_write(to->out, "\"");
	write(to);
	tg_write(to->out, "\"");
}

/* Seconds since 1970, with microseconds. */
static void json_time(struct telling *to)
{
	uint64_t us = tg_unix_ns(to->event->time_ns) / 1000;
	char fraction[8] = ".";

	json_number(to, "time", us / 1000000);
	for (int i = 6; i; i--, us /= 10)
		fraction[i] = (char)('0' + us % 10);
	tg_write(to->out, fraction);
}

static void write_rule_name(struct telling *to)
{
	tg_write_escaped(to->out, TG_ESCAPE_JSON, to->rule, to->rule_bytes);
}

static void write_message(struct telling *to)
{
	tg_write_escaped(to->out, TG_ESCAPE_JSON, to->message, to->message_bytes);
}

static void write_asked(struct telling *to)
{
	write_endpoint(to, asked_side(to->event));
}

static void write_final(struct telling *to)
{
	write_endpoint(to, final_side(to->event));
}

static void json_errno(struct telling *to)
{
	if (to->event->error)
		json_written(to, "errno", write_errno);
	else
		json_word(to, "errno", NULL);
}

static void json_family(struct telling *to)
{
	uint16_t family = to->event->family;

	json_word(to, "family",
		  family == AF_INET    ? "inet"
		  : family == AF_INET6 ? "inet6"
		  : family == AF_UNIX  ? "unix"
				       : NULL);
	if (family == AF_UNIX)
		json_word(to, "proto", NULL);
	else
		json_written(to, "proto", write_protocol);
}

static void json_flag(struct telling *to, const char *name, uint32_t flag)
{
	json_key(to, name);
	tg_write(to->out, to->event->flags & flag ? "true" : "false");
}

/* All keys, always in this order, so that the lines of a log have one shape. */
static void write_json(struct telling *to)
{
	const struct tg_event *event = to->event;

	tg_write(to->out, "{");
	json_time(to);
	json_word(to, "verb", verb_name(event));
	if (to->rule)
		json_written(to, "rule", write_rule_name);
	else
		json_word(to, "rule", NULL);
	if (to->message)
		json_written(to, "message", write_message);
	else
		json_word(to, "message", NULL);
	json_word(to, "op", op_name(event));
	json_word(to, "hook", tg_hook_name(event->hook));
	json_errno(to);
	json_written(to, "asked", write_asked);
	json_written(to, "final", write_final);
	json_family(to);
	json_written(to, "comm", write_comm);
	json_number(to, "pid", event->pid);
	json_number(to, "tid", event->tid);
	json_number(to, "uid", event->uid);
	json_number(to, "gid", event->gid);
	json_number(to, "cgroup", event->cgroup_id);
	json_number(to, "netns", event->netns_cookie);
	json_number(to, "socket", event->socket_cookie);
	json_number(to, "generation", event->generation);
	json_flag(to, "shadow", TG_EVENT_SHADOW);
	json_flag(to, "failed", TG_EVENT_FAILED);
	json_flag(to, "refused_before", TG_EVENT_REFUSED_BEFORE);
	tg_write(to->out, "}");
}

/* --- For callers ------------------------------------------------------------------ */

/*
 * The longest event is below TG_EVENT_TEXT: a name has at most TG_RULE_NAME
 * bytes, a message TG_RULE_MESSAGE, a path 108 and a comm 16, and a byte becomes at
 * most six.
 */
_Static_assert(6 * (TG_RULE_NAME + TG_RULE_MESSAGE + 2 * 108 + 4 * 16) + 1024 < TG_EVENT_TEXT,
	       "events fit");

/* `rule`, `message`: of the rule; NULL: not known, or there is none. */
static int format_named(const struct tg_event *event, const char *rule, const char *message,
			uint32_t format, char *text, size_t size)
{
	char whole[TG_EVENT_TEXT];
	char name[TG_RULE_NAME + 1];
	struct tg_writer out = {.text = whole, .size = sizeof(whole)};
	struct telling to = {.event = event, .out = &out};
	static void (*const write[])(struct telling *) = {
		[TG_FORMAT_TEXT] = write_line,
		[TG_FORMAT_JSON] = write_json,
		[TG_FORMAT_LOG] = write_timed_line,
	};

	if (format >= sizeof(write) / sizeof(*write))
		return tg_fail(-EINVAL, "tg_event_format: there is no format %u", format);
	if (event->rule != TG_RULE_DEFAULT) {
		struct tg_writer number = {.text = name, .size = sizeof(name)};

		tg_write(&number, "#");
		tg_write_number(&number, (uint64_t)event->rule + 1);
		to.rule = rule ?: name;
		to.rule_bytes = tg_utf8_cut(to.rule, TG_RULE_NAME);
		to.message = message;
		to.message_bytes = message ? tg_utf8_cut(message, TG_RULE_MESSAGE) : 0;
	}
	to.escape = format == TG_FORMAT_JSON ? TG_ESCAPE_JSON : TG_ESCAPE_ASCII;
	write[format](&to);
	if (out.length >= size)
		return tg_fail(-ENOSPC,
			       "tg_event_format: this event needs room for %zu bytes; "
			       "TG_EVENT_TEXT (%d) is enough for every event",
			       out.length + 1, TG_EVENT_TEXT);
	memcpy(text, whole, out.length + 1);
	return 0;
}

int tg_event_format(const struct tg_gate *gate, const struct tg_event *given, uint32_t format,
		    char *text, size_t size)
{
	struct tg_event event;
	struct tg_rule_words rule;
	int error = tg_struct_take(TG_STRUCT_KIND(tg_event, TG_EVENT_FIRST_SIZE), &event, given)
			    ?: TG_REQUIRE(text);
	bool known;

	if (!error && event.reserved)
		error = tg_fail(-EINVAL, "event: reserved is %u: it must be 0", event.reserved);
	if (error)
		return error;
	known = gate && tg_gate_copy_words(gate, event.generation, event.rule, &rule);
	return format_named(&event, known ? rule.name : NULL,
			    known && *rule.message ? rule.message : NULL, format, text, size);
}

int tg_record_format(const struct tg_event_record *record, const char *rule, const char *message,
		     uint32_t format, char *text, size_t size)
{
	struct tg_event event;

	tg_event_copy(&event, record);
	return format_named(&event, rule, message, format, text, size);
}
