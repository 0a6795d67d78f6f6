/* SPDX-License-Identifier: MIT */
/*
 * libbpf_log.h - what libbpf prints on this thread is ours; what it prints on others is the host's.
 *
 * libbpf has one print function for the whole process.  Between tg_libbpf_log_begin() and
 * tg_libbpf_log_end() it is ours, which gives the messages of other threads to the one of the
 * host.  The host's is back after the last end, also if several threads load at the same time.
 */
#ifndef TG_BASE_LIBBPF_LOG_H
#define TG_BASE_LIBBPF_LOG_H

/* They may be nested.  Messages are collected from the first begin of a thread. */
void tg_libbpf_log_begin(void);
void tg_libbpf_log_end(void);

/*
 * The end of what libbpf has warned of on this thread since the last begin, without a newline
 * at its end.  Valid until the next begin.  The reason is at the end of a verifier's log.
 */
const char *tg_libbpf_log_text(void);

#endif
