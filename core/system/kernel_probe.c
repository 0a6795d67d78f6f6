/* SPDX-License-Identifier: MIT */
/* kernel_probe.c - try what this kernel can do, with programs and maps of a few bytes. */
#include "system/kernel_probe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/hook.h"
#include "base/libbpf_log.h"
#include "system/capability.h"
#include "system/kernel_feature.h"

/* The results of this many rows are remembered; rows beyond are tried each time. */
#define KNOWN 64

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* libbpf 1.x returns -errno. */
int tg_probe_close(int fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* `log` may be NULL. */
static int load(enum tg_hook hook, const struct bpf_insn *code, size_t count, char *log,
		uint32_t log_size)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = tg_hook_kinds[hook].attach_type,
		    .log_level = log != NULL, .log_buf = log, .log_size = log_size);

	return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "tg_probe", "Dual MIT/GPL", code,
			     count, &options);
}

/*
 * Load a program that lets every call pass, and attach it to nothing: a kernel
 * that knows the hook complains of the missing cgroup, with -EBADF.
 */
int tg_try_hook(int hook)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = load((enum tg_hook)hook, code, COUNT(code), NULL, 0);
	int link;

	if (program < 0)
		return program;
	link = bpf_link_create(program, -1, tg_hook_kinds[hook].attach_type, NULL);
	close(program);
	if (link == -EBADF)
		return 0;
	return tg_probe_close(link);
}

/*
 * Whether the verifier says that a helper does not exist, or not for this type of
 * program.  The third text is that of Linux 6.11.
 */
static bool helper_is_unknown(const char *log)
{
	return strstr(log, "unknown func") || strstr(log, "invalid func") ||
	       strstr(log, "cannot use helper");
}

static enum tg_hook hook_of(int hook_and_what)
{
	return (enum tg_hook)(hook_and_what >> 16);
}

/* Load a program that calls the helper badly: a kernel that knows the helper says so. */
int tg_try_helper(int hook_and_helper)
{
	const struct bpf_insn code[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = hook_and_helper & 0xffff},
		{.code = BPF_JMP | BPF_EXIT},
	};
	char log[4096] = "";
	int program = load(hook_of(hook_and_helper), code, COUNT(code), log, sizeof(log));

	if (program >= 0 || !*log)
		return tg_probe_close(program);
	return helper_is_unknown(log) ? -EINVAL : 0;
}

/* Make a map of one page, which is a size that a ring accepts. */
int tg_try_map(int type)
{
	return tg_probe_close(bpf_map_create((enum bpf_map_type)type, "tg_probe", 0, 0,
					     (uint32_t)sysconf(_SC_PAGESIZE), NULL));
}

int tg_try_mmapable(int unused)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	(void)unused;
	return tg_probe_close(bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_probe", 4, 64, 1, &options));
}

/* Whether the kernel describes its own types, which the programs of unix sockets read. */
int tg_try_types(int unused)
{
	(void)unused;
	return access("/sys/kernel/btf/vmlinux", R_OK) ? -errno : 0;
}

/* Load a program that writes 32 bits of its context. */
int tg_try_write(int hook_and_offset)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_STX | BPF_MEM | BPF_W,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_REG_0,
		 .off = (short)(hook_and_offset & 0xffff)},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return tg_probe_close(load(hook_of(hook_and_offset), code, COUNT(code), NULL, 0));
}

int tg_probe(uint32_t feature)
{
	static signed char known[KNOWN]; /* 1: it has it; -1: it does not; 0: not tried yet */
	int result;

	if (feature < KNOWN && __atomic_load_n(&known[feature], __ATOMIC_RELAXED))
		return known[feature] > 0 ? 0 : -ENOTSUP;
	tg_libbpf_log_begin();
	result = tg_kernel_features[feature].try(tg_kernel_features[feature].what);
	tg_libbpf_log_end();
	/*
	 * Remember only what depends on the kernel: privileges and memory come and go.
	 * To a process that may not call a helper, the kernel says that it has none.
	 */
	if (result == -EPERM || result == -EACCES || (result && !tg_capabilities_suffice()))
		return -EPERM;
	if (result == -ENOMEM || result == -EMFILE || result == -ENFILE)
		return -EPERM;
	if (feature < KNOWN)
		__atomic_store_n(&known[feature], result ? -1 : 1, __ATOMIC_RELAXED);
	return result ? -ENOTSUP : 0;
}
