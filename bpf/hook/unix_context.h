/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unix_context.h - reading and writing the path of a unix socket's call, in the
 * kernel's own structs.
 *
 * The context of the unix hooks does not show the path.  Programs read it, with
 * BTF, from the kernel's struct behind the context, and write it with a kernel
 * function.
 */
#ifndef TG_BPF_HOOK_UNIX_CONTEXT_H
#define TG_BPF_HOOK_UNIX_CONTEXT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/engine/verifier.h"
#include "bpf/layout/image_layout.h"

#define AF_UNIX 1

struct sockaddr;

struct sock_common {
	struct {
		__s64 counter;
	} skc_cookie;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
} __attribute__((preserve_access_index));

struct unix_sock {
	struct sock *peer;
} __attribute__((preserve_access_index));

/* Has a body, because only then does libbpf match it with the kernel's struct of this name. */
struct bpf_sock_addr_kern {
	struct sock *sk;
	struct sockaddr *uaddr;
	__u32 uaddrlen;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;
extern int bpf_sock_addr_set_sun_path(struct bpf_sock_addr_kern *kern, const __u8 *path,
				      __u32 path__sz) __ksym __weak;

#define TG_SUN_PATH 2 /* offset in struct sockaddr_un */

/*
 * Read the path that the call asks for.  A pathname ends at its first zero,
 * whatever comes after it; an abstract name is as long as the call says.
 */
static TG_SUBPROGRAM int tg_unix_read(struct bpf_sock_addr *ctx, struct tg_unix_path *path)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
	const char *from = (const char *)kern->uaddr + TG_SUN_PATH;
	__u32 length = kern->uaddrlen;
	char first = 0;
	long got;

	__builtin_memset(path, 0, sizeof(*path));
	if (length <= TG_SUN_PATH)
		return 0;
	length -= TG_SUN_PATH;
	if (length > TG_PATH_BYTES)
		length = TG_PATH_BYTES;
	if (bpf_probe_read_kernel(&first, 1, from))
		return -TG_EFAULT;
	asm volatile("" : "+r"(length));
	if (length > TG_PATH_BYTES)
		return -TG_EFAULT;
	if (first) {
		got = bpf_probe_read_kernel_str(path->at, length + 1, from);
		if (got <= 0)
			return -TG_EFAULT;
		path->bytes = got - 1;
		return 0;
	}
	path->bytes = length;
	return bpf_probe_read_kernel(path->at, length, from) ? -TG_EFAULT : 0;
}

/* Write a path.  A pathname gets a zero at its end if there is room, as in the kernel's bind(). */
static __always_inline int tg_unix_write(struct bpf_sock_addr *ctx, const struct tg_unix_path *path)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
	__u64 bytes = path->bytes;

	if (path->at[0] && bytes < TG_PATH_BYTES)
		bytes++;
	asm volatile("" : "+r"(bytes));
	if (bytes > TG_PATH_BYTES)
		return -TG_EFAULT;
	return bpf_sock_addr_set_sun_path(kern, path->at, bytes);
}

#endif
