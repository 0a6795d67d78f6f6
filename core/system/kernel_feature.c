/* SPDX-License-Identifier: MIT */
/* kernel_feature.c - what an image may need of the kernel: the table of facts. */
#include "system/kernel_feature.h"

#include <linux/bpf.h>
#include <stddef.h>

#include "base/hook.h"
#include "bpf/layout/program_spec.h"
#include "system/kernel_probe.h"

#define REWRITES (TG_EFFECT_TO_ADDR | TG_EFFECT_TO_PORT)

#define CALL(which, helper)   TG_TRY_IN(which, BPF_FUNC_##helper)
#define CONTEXT(which, field) TG_TRY_IN(which, offsetof(struct bpf_sock_addr, field))
#define HOOK(which, text, linux)                                                                   \
	{                                                                                          \
		"the hook " text, linux, tg_try_hook, which, TG_HOOK_BIT(which), 0, 0              \
	}

const struct tg_kernel_feature tg_kernel_features[] = {
	HOOK(TG_HOOK_BIND4, "bind4", "4.17"),
	HOOK(TG_HOOK_BIND6, "bind6", "4.17"),
	HOOK(TG_HOOK_CONNECT4, "connect4", "4.17"),
	HOOK(TG_HOOK_CONNECT6, "connect6", "4.17"),
	HOOK(TG_HOOK_CONNECT_UNIX, "connect_unix", "6.7"),
	HOOK(TG_HOOK_SENDMSG4, "sendmsg4", "4.18"),
	HOOK(TG_HOOK_SENDMSG6, "sendmsg6", "4.18"),
	HOOK(TG_HOOK_SENDMSG_UNIX, "sendmsg_unix", "6.7"),
	HOOK(TG_HOOK_RECVMSG4, "recvmsg4", "5.2"),
	HOOK(TG_HOOK_RECVMSG6, "recvmsg6", "5.2"),
	HOOK(TG_HOOK_RECVMSG_UNIX, "recvmsg_unix", "6.7"),
	HOOK(TG_HOOK_GETPEERNAME4, "getpeername4", "5.8"),
	HOOK(TG_HOOK_GETPEERNAME6, "getpeername6", "5.8"),
	HOOK(TG_HOOK_GETPEERNAME_UNIX, "getpeername_unix", "6.7"),
	HOOK(TG_HOOK_GETSOCKNAME4, "getsockname4", "5.8"),
	HOOK(TG_HOOK_GETSOCKNAME6, "getsockname6", "5.8"),
	HOOK(TG_HOOK_GETSOCKNAME_UNIX, "getsockname_unix", "6.7"),
	{"BTF", "5.4", tg_try_types, 0, TG_UNIX_HOOKS, 0, 0},
	{"published maps", "5.5", tg_try_mmapable, 0, TG_ALL_HOOKS, 0, 0},
	{"event rings", "5.8", tg_try_map, BPF_MAP_TYPE_RINGBUF, TG_ALL_HOOKS, 0, 0},
	{"errnos", "5.18", tg_try_helper, CALL(TG_HOOK_CONNECT4, set_retval),
	 TG_BIND_HOOKS | TG_CONNECT_HOOKS | TG_SENDMSG_HOOKS, 0, 0},
	{"rewriting", "4.17", tg_try_write, CONTEXT(TG_HOOK_CONNECT4, user_ip4), 0, REWRITES, 0},
	{"bind_source", "4.17", tg_try_helper, CALL(TG_HOOK_CONNECT4, bind), TG_CONNECT_HOOKS,
	 TG_EFFECT_BIND_SOURCE, 0},
	{"source of datagrams", "4.18", tg_try_write, CONTEXT(TG_HOOK_SENDMSG4, msg_src_ip4),
	 TG_SENDMSG_HOOKS, TG_EFFECT_BIND_SOURCE, 0},
	{"socket storage", "5.3", tg_try_helper, CALL(TG_HOOK_CONNECT4, sk_storage_get), 0, 0,
	 TG_FEATURES_REMEMBER | TG_FEATURE_OWNER},
	{"MPTCP", "5.19", tg_try_helper, CALL(TG_HOOK_CONNECT4, skc_to_mptcp_sock), 0, 0,
	 TG_FEATURE_PEER | TG_FEATURE_OWNER},
	{"set of bind", "5.11", tg_try_helper, CALL(TG_HOOK_BIND4, setsockopt), TG_BIND_HOOKS,
	 TG_EFFECT_SOCKOPT, 0},
	{"set of connect", "5.8", tg_try_helper, CALL(TG_HOOK_CONNECT4, setsockopt),
	 TG_CONNECT_HOOKS, TG_EFFECT_SOCKOPT, 0},
	{"more than 64 rules", "5.17", tg_try_helper, CALL(TG_HOOK_CONNECT4, loop), 0, 0,
	 TG_FEATURE_MANY},
	{NULL, NULL, NULL, 0, 0, 0, 0},
};
