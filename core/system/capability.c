/* SPDX-License-Identifier: MIT */
/* capability.c - the capabilities that loading and attaching programs takes, and dropping them. */
#include "system/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct wanted {
	const char *name;
	int number;
	bool of_admin; /* CAP_SYS_ADMIN, of which it was once part, includes it */
} all_wanted[] = {
	{"CAP_BPF", CAP_BPF, true},
	{"CAP_NET_ADMIN", CAP_NET_ADMIN, false},
	{"CAP_PERFMON", CAP_PERFMON, true},
};

/* The effective ones, 1 << CAP_*.  Not from /proc, in case descriptors have run out. */
static unsigned long long held(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	syscall(SYS_capget, &header, data);
	return data[0].effective | (unsigned long long)data[1].effective << 32;
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

/* --- Dropping ------------------------------------------------------------------------ */

/* Change the sets of this thread: keep what is in `keep`, and let nothing be inherited. */
static int reduce(uint64_t keep)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; half++) {
		data[half].effective &= (uint32_t)(keep >> 32 * half);
		data[half].permitted &= (uint32_t)(keep >> 32 * half);
		data[half].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int tg_capabilities_pass_none(void)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	return reduce(UINT64_MAX);
}

int tg_capabilities_drop(void)
{
	static const int leading_out[] = {
		CAP_NET_RAW,    CAP_NET_ADMIN,  CAP_SYS_ADMIN, CAP_BPF,      CAP_PERFMON,
		CAP_SYS_PTRACE, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT, CAP_MKNOD,
	};
	uint64_t keep = UINT64_MAX;

	for (size_t i = 0; i < sizeof(leading_out) / sizeof(*leading_out); i++) {
		int number = leading_out[i];

		keep &= ~(UINT64_C(1) << number);
		if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, number, 0, 0, 0))
			return -errno;
	}
	return reduce(keep);
}
