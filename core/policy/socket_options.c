/* SPDX-License-Identifier: MIT */
/* socket_options.c - the socket options that a rule sets, from their text. */
#include "policy/socket_options.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define TEXT_BYTES 16 /* IFNAMSIZ and TCP_CA_NAME_MAX */

static const struct option {
	const char *name;
	uint32_t bit;
	size_t offset;
	uint32_t least, most; /* limits of a number; most 0: it is a text */
	bool tcp;
} options_by_name[] = {
	{"mark", TG_OPTION_MARK, offsetof(struct tg_options, mark), 0, UINT32_MAX, false},
	{"priority", TG_OPTION_PRIORITY, offsetof(struct tg_options, priority), 0, INT32_MAX,
	 false},
	{"tos", TG_OPTION_TOS, offsetof(struct tg_options, tos), 0, 255, false},
	{"device", TG_OPTION_DEVICE, offsetof(struct tg_options, device), 0, 0, false},
	{"keepalive", TG_OPTION_KEEPALIVE, offsetof(struct tg_options, keepalive), 0, 1, true},
	{"keepidle", TG_OPTION_KEEPIDLE, offsetof(struct tg_options, keepidle), 1, 32767, true},
	{"keepintvl", TG_OPTION_KEEPINTVL, offsetof(struct tg_options, keepintvl), 1, 32767, true},
	{"keepcnt", TG_OPTION_KEEPCNT, offsetof(struct tg_options, keepcnt), 1, 127, true},
	{"congestion", TG_OPTION_CONGESTION, offsetof(struct tg_options, congestion), 0, 0, true},
};

#define OPTIONS (sizeof(options_by_name) / sizeof(*options_by_name))

static int unknown_option(const char *name)
{
	return tg_fail(
		-EINVAL,
		"sockopt: \"%s\": not an option: write mark, priority, tos, device, keepalive, "
		"keepidle, keepintvl, keepcnt or congestion",
		name);
}

static int set_number(const struct option *option, const char *value, struct tg_options *options)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(value, &end, 0);
	if (*value < '0' || *value > '9' || *end || errno || number < option->least ||
	    number > option->most)
		return tg_fail(-EINVAL, "sockopt: %s: \"%s\": needs a number from %u to %u",
			       option->name, value, option->least, option->most);
	*(__u32 *)((char *)options + option->offset) = (__u32)number;
	return 0;
}

static int set_text(const struct option *option, const char *value, struct tg_options *options)
{
	size_t length = strlen(value);

	if (!length || length >= TEXT_BYTES)
		return tg_fail(-EINVAL, "sockopt: %s: \"%s\": needs a name of 1 to %d characters",
			       option->name, value, TEXT_BYTES - 1);
	/* The kernel asks the process for CAP_NET_RAW to unbind a socket, also in a hook. */
	if (option->bit == TG_OPTION_DEVICE && !strcmp(value, "none"))
		return tg_fail(-EINVAL,
			       "sockopt: device: \"none\": a rule cannot unbind a socket from its "
			       "device: leave device out, or refuse such sockets by the condition "
			       "device = \"!none\"");
	memcpy((char *)options + option->offset, value, length);
	return 0;
}

static int set_option(char *word, struct tg_options *options)
{
	char *value = strchr(word, '=');

	if (!value)
		return tg_fail(-EINVAL, "sockopt: \"%s\": write it as name=value", word);
	*value++ = 0;
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *option = &options_by_name[i];

		if (strcmp(option->name, word) != 0)
			continue;
		if (options->given & option->bit)
			return tg_fail(-EINVAL, "sockopt: %s: is given twice", word);
		options->given |= option->bit;
		return option->most ? set_number(option, value, options)
				    : set_text(option, value, options);
	}
	return unknown_option(word);
}

int tg_options_parse(const char *text, struct tg_options *options)
{
	struct tg_options parsed = {0};
	char *copy = strdup(text), *rest = NULL;
	int error = copy ? 0 : tg_fail(-ENOMEM, "out of memory: no room for a rule's options");

	for (char *word = copy ? strtok_r(copy, " ", &rest) : NULL; word && !error;
	     word = strtok_r(NULL, " ", &rest))
		error = set_option(word, &parsed);
	if (!error && !parsed.given)
		error = tg_fail(-EINVAL,
				"sockopt: nothing to set: leave it out, or write an option "
				"such as mark=1");
	free(copy);
	if (!error)
		*options = parsed;
	return error;
}

const char *tg_options_of_tcp(const struct tg_options *options)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (options_by_name[i].tcp && options->given & options_by_name[i].bit)
			return options_by_name[i].name;
	return NULL;
}
