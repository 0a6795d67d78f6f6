/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * verifier.h - what the engine needs because of the kernel's verifier and of clang.
 *
 * In the simulator each macro is plain C.  Comparisons are arithmetic on loaded
 * values, because the verifier then sees one unknown number; a branch would give
 * it two paths to examine.
 */
#ifndef TG_BPF_ENGINE_VERIFIER_H
#define TG_BPF_ENGINE_VERIFIER_H

#include <linux/types.h>

#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#endif

/* A loop over constants.  Programs need it unrolled; natively the compiler decides. */
#ifdef __bpf__
#define TG_UNROLL _Pragma("unroll")
#else
#define TG_UNROLL
#endif

/* A loop that must not be unrolled: unrolled code spills more registers. */
#ifdef __bpf__
#define TG_ROLL _Pragma("clang loop unroll(disable)")
#else
#define TG_ROLL
#endif

/*
 * A function that is not inlined: programs have 512 bytes of stack, and code
 * that is inlined for every field spills registers.
 */
#ifdef __bpf__
#define TG_SUBPROGRAM __attribute__((noinline, unused))
#else
#define TG_SUBPROGRAM inline
#endif

/*
 * A global function: the verifier examines it once, by itself, and assumes
 * nothing about its result, so its callers are not examined again for each path
 * through it.  Before Linux 6.8 the verifier examines it even if nothing calls
 * it, so it must check the features before it uses a map that does not always
 * exist.
 */
#ifdef __bpf__
#define TG_GLOBAL __attribute__((noinline))
#else
#define TG_GLOBAL static inline
#endif

/* Hide where a number comes from: else clang turns the arithmetic back into a comparison. */
#ifdef __bpf__
#define TG_OPAQUE(number) asm("" : "+r"(number))
#else
#define TG_OPAQUE(number)
#endif

/* Keep clang from computing everything at once: what does not fit in registers is spilled. */
#ifdef __bpf__
#define TG_IN_ORDER(number) asm volatile("" : "+r"(number))
#else
#define TG_IN_ORDER(number)
#endif

/*
 * Start to fetch from memory a number that is needed later.  A processor that
 * does not speculate past the return of a function (because of its mitigations)
 * would fetch it only after the return.
 */
#ifdef __bpf__
#define TG_TOUCH(number) ((void)*(const volatile __typeof__(number) *)&(number))
#else
#define TG_TOUCH(number) ((void)0)
#endif

/*
 * Call `step` up to `n` times, until it returns 1.  It gets the number of the
 * step and `context`.
 */
#ifdef __bpf__
#define TG_LOOP(n, step, context) bpf_loop(n, step, context, 0)
#else
#define TG_LOOP(n, step, context)                                                                  \
	do {                                                                                       \
		for (__u32 i_ = 0; i_ < (n); i_++)                                                 \
			if (step(i_, context))                                                     \
				break;                                                             \
	} while (0)
#endif

#define TG_EFAULT 14

/*
 * The number of the lowest bit that is set in a word, which must not be zero.
 * It uses a de Bruijn sequence, because clang 14 crashes on __builtin_ctzll() for BPF.
 */
static const __u8 tg_debruijn[64] = {
	0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,  62, 55, 59, 36, 53, 51,
	43, 22, 45, 39, 33, 30, 24, 18, 12, 5,  63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
	44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6,
};

static __always_inline __u32 tg_lowest_bit(__u64 word)
{
	return tg_debruijn[((word & -word) * 0x03f79d71b4cb0a89ull) >> 58];
}

/*
 * Return the same number, but unknown to the verifier, which then follows the
 * code after this once, however many paths lead here.
 */
TG_GLOBAL int tg_forget(int number)
{
	TG_OPAQUE(number);
	return number;
}

/* 1 for 0, else 0, without a branch. */
static __always_inline __u32 tg_is_zero(__u64 word)
{
	TG_OPAQUE(word);
	return ~(word | -word) >> 63;
}

/* 1 if a < b.  Both are 32 bits wide, so only then is the difference negative. */
static __always_inline __u64 tg_below32(__u64 a, __u64 b)
{
	TG_OPAQUE(a);
	return (a - b) >> 63;
}

/* 1 if a < b: the borrow of a - b. */
static __always_inline __u64 tg_below64(__u64 a, __u64 b)
{
	TG_OPAQUE(a);
	return ((~a & b) | (~(a ^ b) & (a - b))) >> 63;
}

#endif
