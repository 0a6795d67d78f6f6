/* SPDX-License-Identifier: MIT */
/* kernel_probe.c - trying what this kernel can do, with programs and maps of a few bytes. */
#include "system/kernel_probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/hook.h"
#include "system/capability.h"

/* Room for what is known of each row; more rows are tried each time. */
#define KNOWN 64

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* libbpf 1.x answers -errno; what came is not kept. */
static int close_result(int fd)
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

/* A program that lets every call pass, attached to nothing: a kernel that knows how asks to what.
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
	return close_result(link);
}

/* What the verifier says of a helper that is not there, or not for this type; 6.11 has the third.
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

/* A program that calls the helper badly: a kernel that knows it complains of that. */
int tg_try_helper(int hook_and_helper)
{
	const struct bpf_insn code[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = hook_and_helper & 0xffff},
		{.code = BPF_JMP | BPF_EXIT},
	};
	char log[4096] = "";
	int program = load(hook_of(hook_and_helper), code, COUNT(code), log, sizeof(log));

	if (program >= 0 || !*log)
		return close_result(program);
	return helper_is_unknown(log) ? -EINVAL : 0;
}

/* A map of a page, which has the size that a ring wants. */
int tg_try_map(int type)
{
	return close_result(bpf_map_create((enum bpf_map_type)type, "tg_probe", 0, 0,
					   (uint32_t)sysconf(_SC_PAGESIZE), NULL));
}

int tg_try_mmapable(int unused)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	(void)unused;
	return close_result(bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_probe", 4, 64, 1, &options));
}

/* What the kernel tells of its own types: the programs of unix sockets read them. */
int tg_try_types(int unused)
{
	(void)unused;
	return access("/sys/kernel/btf/vmlinux", R_OK) ? -errno : 0;
}

/* A program that writes 32 bits of its context. */
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

	return close_result(load(hook_of(hook_and_offset), code, COUNT(code), NULL, 0));
}

int tg_probe(uint32_t need)
{
	static signed char known[KNOWN]; /* 1: has it, -1: has it not, 0: not tried yet */
	libbpf_print_fn_t before;
	int result;

	if (need < KNOWN && __atomic_load_n(&known[need], __ATOMIC_RELAXED))
		return known[need] > 0 ? 0 : -ENOTSUP;
	before = libbpf_set_print(NULL);
	result = tg_kernel_features[need].try(tg_kernel_features[need].what);
	libbpf_set_print(before);
	/* Privileges come and go, and so does memory; what a kernel can do stays.  It denies having
	 * a helper to who may not call it. */
	if (result == -EPERM || result == -EACCES || (result && !tg_capabilities_suffice()))
		return -EPERM;
	if (result == -ENOMEM || result == -EMFILE || result == -ENFILE)
		return -EPERM;
	if (need < KNOWN)
		__atomic_store_n(&known[need], result ? -1 : 1, __ATOMIC_RELAXED);
	return result ? -ENOTSUP : 0;
}
