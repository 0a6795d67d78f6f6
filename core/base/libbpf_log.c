/* SPDX-License-Identifier: MIT */
/* libbpf_log.c - borrowing libbpf's print function, and giving it back. */
#define _GNU_SOURCE /* vasprintf() */
#include "base/libbpf_log.h"

#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local unsigned int depth; /* how many begins of this thread have no end yet */
static _Thread_local char collected[8192];
static _Thread_local size_t collected_length;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int borrowers;
static libbpf_print_fn_t of_host;

static void collect(const char *message, size_t whole)
{
	const size_t capacity = sizeof(collected) - 1;
	size_t length = whole < capacity ? whole : capacity, keep = capacity - length;

	if (collected_length < keep)
		keep = collected_length;
	memmove(collected, collected + collected_length - keep, keep);
	memcpy(collected + keep, message + whole - length, length + 1);
	collected_length = keep + length;
}

static int hear(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *message;
	int length;

	if (!depth) {
		libbpf_print_fn_t print = __atomic_load_n(&of_host, __ATOMIC_ACQUIRE);

		return print ? print(level, format, arguments) : 0;
	}
	if (level != LIBBPF_WARN)
		return 0;
	length = vasprintf(&message, format, arguments);
	if (length < 0)
		return 0;
	collect(message, (size_t)length);
	free(message);
	return 0;
}

void tg_libbpf_log_begin(void)
{
	if (depth++)
		return;
	collected_length = 0;
	collected[0] = 0;
	pthread_mutex_lock(&lock);
	if (!borrowers++)
		__atomic_store_n(&of_host, libbpf_set_print(hear), __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
}

void tg_libbpf_log_end(void)
{
	if (--depth)
		return;
	pthread_mutex_lock(&lock);
	if (!--borrowers) {
		libbpf_print_fn_t last = libbpf_set_print(of_host);

		if (last != hear) /* the host has set another one meanwhile */
			libbpf_set_print(last);
	}
	pthread_mutex_unlock(&lock);
}

const char *tg_libbpf_log_text(void)
{
	while (collected_length && collected[collected_length - 1] == '\n')
		collected[--collected_length] = 0;
	return collected;
}
