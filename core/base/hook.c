/* SPDX-License-Identifier: MIT */
/* hook.c - the hooks, with the names that the kernel and the BPF object have for them. */
#include "base/hook.h"

/* New in Linux 6.7, so the headers of Debian 12 lack them (include/uapi/linux/bpf.h). */
#define UNIX_CONNECT     ((enum bpf_attach_type)49)
#define UNIX_SENDMSG     ((enum bpf_attach_type)50)
#define UNIX_RECVMSG     ((enum bpf_attach_type)51)
#define UNIX_GETPEERNAME ((enum bpf_attach_type)52)
#define UNIX_GETSOCKNAME ((enum bpf_attach_type)53)

const struct tg_hook_kind tg_hook_kinds[TG_HOOK_COUNT] = {
	[TG_HOOK_BIND4] = {"bind4", BPF_CGROUP_INET4_BIND, TG_OP_BIND},
	[TG_HOOK_BIND6] = {"bind6", BPF_CGROUP_INET6_BIND, TG_OP_BIND},
	[TG_HOOK_CONNECT4] = {"connect4", BPF_CGROUP_INET4_CONNECT, TG_OP_CONNECT},
	[TG_HOOK_CONNECT6] = {"connect6", BPF_CGROUP_INET6_CONNECT, TG_OP_CONNECT},
	[TG_HOOK_CONNECT_UNIX] = {"connect_unix", UNIX_CONNECT, TG_OP_CONNECT},
	[TG_HOOK_SENDMSG4] = {"sendmsg4", BPF_CGROUP_UDP4_SENDMSG, TG_OP_SENDMSG},
	[TG_HOOK_SENDMSG6] = {"sendmsg6", BPF_CGROUP_UDP6_SENDMSG, TG_OP_SENDMSG},
	[TG_HOOK_SENDMSG_UNIX] = {"sendmsg_unix", UNIX_SENDMSG, TG_OP_SENDMSG},
	[TG_HOOK_RECVMSG4] = {"recvmsg4", BPF_CGROUP_UDP4_RECVMSG, TG_OP_RECVMSG},
	[TG_HOOK_RECVMSG6] = {"recvmsg6", BPF_CGROUP_UDP6_RECVMSG, TG_OP_RECVMSG},
	[TG_HOOK_RECVMSG_UNIX] = {"recvmsg_unix", UNIX_RECVMSG, TG_OP_RECVMSG},
	[TG_HOOK_GETPEERNAME4] = {"getpeername4", BPF_CGROUP_INET4_GETPEERNAME, TG_OP_GETPEERNAME},
	[TG_HOOK_GETPEERNAME6] = {"getpeername6", BPF_CGROUP_INET6_GETPEERNAME, TG_OP_GETPEERNAME},
	[TG_HOOK_GETPEERNAME_UNIX] = {"getpeername_unix", UNIX_GETPEERNAME, TG_OP_GETPEERNAME},
	[TG_HOOK_GETSOCKNAME4] = {"getsockname4", BPF_CGROUP_INET4_GETSOCKNAME, TG_OP_GETSOCKNAME},
	[TG_HOOK_GETSOCKNAME6] = {"getsockname6", BPF_CGROUP_INET6_GETSOCKNAME, TG_OP_GETSOCKNAME},
	[TG_HOOK_GETSOCKNAME_UNIX] = {"getsockname_unix", UNIX_GETSOCKNAME, TG_OP_GETSOCKNAME},
};

const char *tg_hook_name(uint32_t hook)
{
	return hook < TG_HOOK_COUNT ? tg_hook_kinds[hook].name : NULL;
}
