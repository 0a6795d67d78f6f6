/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * watch.bpf.c - counts, by process, the writes of BPF programs to LRU maps.  A
 * socket that keeps sending to the same destination must cause none.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} watched SEC(".maps");

SEC("fentry/htab_lru_map_update_elem")
int watch_write(void *ctx __attribute__((unused)))
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32, one = 1;
	__u32 *count = bpf_map_lookup_elem(&watched, &pid);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&watched, &pid, &one, BPF_ANY);
	return 0;
}
