/* SPDX-License-Identifier: MIT */
/*
 * kernel_feature.c - features that no kernel has, in place of the table in
 * core/system/kernel_feature.c.  They are tried on the real kernel, which refuses
 * the programs and maps.
 */
#include <linux/bpf.h>
#include <stddef.h>

#include "bpf/layout/program_spec.h"
#include "system/kernel_feature.h"
#include "system/kernel_probe.h"

/*
 * A hook that exists, a helper of another type of program, and a helper and a map
 * type that do not exist.
 */
const struct tg_kernel_feature tg_kernel_features[] = {
	{"the hook connect4", "4.17", tg_try_hook, TG_HOOK_CONNECT4, TG_BIT(TG_HOOK_CONNECT4), 0,
	 0},
	{"bind_source", "99.1", tg_try_helper,
	 TG_TRY_IN(TG_HOOK_CONNECT4, BPF_FUNC_xdp_adjust_head), 0, TG_EFFECT_BIND_SOURCE, 0},
	{"the hook sendmsg4", "99.2", tg_try_helper, TG_TRY_IN(TG_HOOK_SENDMSG4, 9999),
	 TG_BIT(TG_HOOK_SENDMSG4), 0, 0},
	{"more than 64 rules", "99.3", tg_try_map, 9999, 0, 0, TG_FEATURE_MANY},
	{"socket storage", "5.3", tg_try_helper,
	 TG_TRY_IN(TG_HOOK_CONNECT4, BPF_FUNC_sk_storage_get), 0, 0, TG_FEATURE_PEER},
	{NULL, NULL, NULL, 0, 0, 0, 0},
};
