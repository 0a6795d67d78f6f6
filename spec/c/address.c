/* SPDX-License-Identifier: MIT */
/*
 * address.c - compare the reader of addresses with inet_pton().
 *
 * The texts look like addresses: they are built from random pieces, and some are
 * then damaged.  The seed is the first argument.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse/address.h"

static void draw(char *text)
{
	static const char *const pieces[] = {"0",   "1",  "ffff",  "db8", "10",      "255",
					     "256", "00", "12345", "A",   "1.2.3.4", "0.0.0.0"};
	static const char *const joints[] = {":", ":", ":", ":", ":", "::", ".", "."};
	bool dotted = rand() % 3 == 0;
	int count = dotted ? 4 : 1 + rand() % 8;

	*text = '\0';
	if (!dotted && rand() % 4 == 0)
		strcat(text, "::");
	for (int i = 0; i < count; i++) {
		if (i)
			strcat(text, dotted ? "." : joints[rand() % (rand() % 4 ? 6 : 8)]);
		strcat(text, pieces[rand() % (dotted ? 8 : i == count - 1 ? 12 : 5)]);
	}
	if (!dotted && rand() % 4 == 0)
		strcat(text, "::");
	if (rand() % 4 == 0)
		text[(size_t)rand() % strlen(text)] = "0:.gf1"[rand() % 6];
}

static void check(const char *text, unsigned int *valid)
{
	uint8_t expected[16], bytes[16];
	struct tg_key128 key;
	uint32_t v4;
	const char *s = text;
	bool known = inet_pton(AF_INET, text, expected) == 1;
	bool same = (tg_address_scan4(&s, &v4) && !*s) == known;

	if (same && known)
		same = htonl(v4) == *(uint32_t *)expected;
	*valid += known;
	s = text;
	known = inet_pton(AF_INET6, text, expected) == 1;
	same &= (tg_address_scan6(&s, &key) && !*s) == known;
	if (same && known) {
		tg_address_bytes(key, bytes);
		same = !memcmp(bytes, expected, sizeof(bytes));
	}
	*valid += known;
	if (!same) {
		fprintf(stderr, "differs: \"%s\"\n", text);
		exit(1);
	}
}

int main(int count, char **arguments)
{
	unsigned int valid = 0;
	char text[200];

	srand(count > 1 ? (unsigned int)atoi(arguments[1]) : 1);
	for (int i = 0; i < 200000; i++) {
		draw(text);
		check(text, &valid);
	}
	check("1:2:3:4:5:6:7:1.2.3.4", &valid);
	check("1:2:3:4:5:6:1.2.3.4", &valid);
	check("1:2:3:4:5:6:7:8", &valid);
	check("1:2:3:4:5:6:7::8", &valid);
	if (valid < 10000) {
		fprintf(stderr, "only %u of the texts are addresses\n", valid);
		return 1;
	}
	puts("ok");
	return 0;
}
