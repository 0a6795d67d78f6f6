/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * features.h - what an image may contain, so that the engine must handle it.
 *
 * Core fills in tg_spec before it loads the programs.  The verifier then knows
 * each feature as a constant, and drops the code that an image of this kind can
 * never need.  The simulator must read any image, so there every feature is 1.
 */
#ifndef TG_BPF_ENGINE_FEATURES_H
#define TG_BPF_ENGINE_FEATURES_H

#include "bpf/layout/program_spec.h"

#ifdef __bpf__

const volatile struct tg_spec tg_spec = {};

#define TG_VIEW_ROWS(view) tg_spec.rows
#define TG_MANY            (tg_spec.features & TG_FEATURE_MANY)
#define TG_SHADOWS         (tg_spec.features & TG_FEATURE_SHADOW)
#define TG_SETS            (tg_spec.features & TG_FEATURE_SETS)
#define TG_OWN_SETS        (tg_spec.features & TG_FEATURE_OWN_SETS)
#define TG_BALANCES        (tg_spec.features & TG_FEATURE_BALANCE)
#define TG_SERVICES        (tg_spec.features & TG_FEATURE_SERVICES)
#define TG_RATES           (tg_spec.features & TG_FEATURE_RATES)
#define TG_STICKY          (tg_spec.features & TG_FEATURE_STICKY)

#else

#define TG_VIEW_ROWS(view) ((view)->count)
#define TG_MANY            1
#define TG_SHADOWS         1
#define TG_SETS            1
#define TG_OWN_SETS        1
#define TG_BALANCES        1
#define TG_SERVICES        1
#define TG_RATES           1
#define TG_STICKY          1

#endif

#endif
