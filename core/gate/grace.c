/* SPDX-License-Identifier: MIT */
/*
 * grace.c - waiting until the programs that are running have ended.
 *
 * User space has no call for that.  But the kernel waits for all programs when it
 * replaces a map in a map of maps, so that none goes on with the old one:
 * maybe_wait_bpf_programs() in kernel/bpf/syscall.c.  It does not ask whether any
 * program has the map of maps.
 */
#include "gate/grace.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/types.h>
#include <unistd.h>

#include "base/error.h"
#include "system/capability.h"

void tg_grace_close(struct tg_grace *grace)
{
	if (grace->outer >= 0)
		close(grace->outer);
	if (grace->inner >= 0)
		close(grace->inner);
	*grace = (struct tg_grace){-1, -1};
}

int tg_grace_make(struct tg_grace *grace)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	struct tg_grace made = {-1, -1};
	int error = 0;

	if (grace->outer >= 0)
		return 0;
	made.inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_grace", sizeof(__u32), sizeof(__u32), 1,
				    NULL);
	options.inner_map_fd = (__u32)made.inner;
	if (made.inner >= 0)
		made.outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "tg_grace", sizeof(__u32),
					    sizeof(__u32), 1, &options);
	if (made.outer < 0)
		error = made.inner < 0 ? made.inner : made.outer;
	if (error) {
		tg_grace_close(&made);
		return error == -EPERM ? tg_fail(error, "cannot make maps: needs " TG_CAPABILITIES
							"; run `tidegate doctor`")
				       : tg_fail_errno(error, "cannot make maps to wait with");
	}
	*grace = made;
	return 0;
}

int tg_grace_wait(const struct tg_grace *grace)
{
	__u32 zero = 0;
	int error = bpf_map_update_elem(grace->outer, &zero, &grace->inner, BPF_ANY);

	return error ? tg_fail_errno(error, "cannot wait for the programs that are running") : 0;
}
