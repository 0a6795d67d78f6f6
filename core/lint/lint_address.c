/* SPDX-License-Identifier: MIT */
/*
 * lint_address.c - IPv6 addresses that were perhaps to be an address and a port.
 *
 * "2001:db8::1:443" is an address.  The image has the address alone, so this looks
 * at the text of the rule, if there is one.
 */
#include "lint/lint_address.h"

#include <stdlib.h>
#include <string.h>

#include "base/interval.h"
#include "lint/lint_finding.h"
#include "parse/address.h"

/* Longer texts are no addresses: 39 characters, and '!' before them. */
#define MOST 40

static bool is_address(const char *text)
{
	struct tg_key128 address;

	return tg_address_scan6(&text, &address) && !*text;
}

/*
 * Whether an address is another one and a port of two digits or more.  The last group of most
 * addresses stands after "::", and without it they are none.
 */
static bool ends_like_port(const char *text, size_t *host)
{
	const char *last = strrchr(text, ':');
	size_t digits = last ? strspn(last + 1, "0123456789") : 0;
	char before[MOST + 1];

	if (digits < 2 || last[1] == '0' || last[1 + digits] || !is_address(text))
		return false;
	*host = (size_t)(last - text);
	memcpy(before, text, *host);
	before[*host] = '\0';
	return is_address(before);
}

static int report(struct tg_lint *lint, const struct tg_lint_rule *rule, const char *address,
		  size_t host)
{
	struct tg_lint_text text;
	int error = tg_lint_begin(rule, &text);

	if (error)
		return error;
	fprintf(text.stream,
		"\"%s\": is an address as a whole; with a port, write \"[%.*s]%s\"; if it is "
		"meant, "
		"write \"[%s]\"",
		address, (int)host, address, address + host, address);
	return tg_lint_end(lint, rule, TG_FINDING_ADDRESS, &text);
}

int tg_lint_address(struct tg_lint *lint, const struct tg_lint_rule *rule)
{
	const char *open = strchr(rule->info.text, '"');

	while (open) {
		const char *text = open + 1 + (open[1] == '!');
		size_t length = strcspn(text, "\"");
		char item[MOST + 1];
		size_t host;

		if (!text[length])
			break;
		/* What no '=' stands before is the name. */
		if (length <= MOST && memchr(rule->info.text, '=', text - rule->info.text)) {
			memcpy(item, text, length);
			item[length] = '\0';
			if (ends_like_port(item, &host))
				return report(lint, rule, item, host);
		}
		open = strchr(text + length + 1, '"');
	}
	return 0;
}
