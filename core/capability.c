/* SPDX-License-Identifier: MIT */
/* capability.c - the capabilities of this process that loading and attaching programs takes. */
#include "capability.h"

#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct wanted {
	const char *name;
	int number;
	bool of_admin; /* CAP_SYS_ADMIN, which it was once part of, stands for it */
} all_wanted[] = {
	{"CAP_BPF", CAP_BPF, true},
	{"CAP_NET_ADMIN", CAP_NET_ADMIN, false},
	{"CAP_PERFMON", CAP_PERFMON, true},
};

/* The effective ones, 1 << CAP_*. */
static unsigned long long held(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long bits = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &bits) == 1)
			break;
	if (file)
		fclose(file);
	return bits;
}

bool tg_capabilities_admin(void)
{
	return held() >> CAP_SYS_ADMIN & 1;
}

void tg_capabilities_missing(char *text, size_t size)
{
	unsigned long long bits = held();
	bool admin = bits >> CAP_SYS_ADMIN & 1;
	size_t length = 0;

	*text = 0;
	for (size_t i = 0; i < sizeof(all_wanted) / sizeof(*all_wanted); i++) {
		const struct wanted *wanted = &all_wanted[i];

		if (bits >> wanted->number & 1 || (admin && wanted->of_admin) || length >= size)
			continue;
		length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "",
					   wanted->name);
	}
}

bool tg_capabilities_suffice(void)
{
	char missing[64];

	tg_capabilities_missing(missing, sizeof(missing));
	return !*missing;
}
