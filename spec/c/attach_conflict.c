/* SPDX-License-Identifier: MIT */
/*
 * attach_conflict.c - another owner of BPF programs, beside a gate.
 *
 *   attach_conflict attach OBJECT PROGRAM CGROUP FLAGS
 *       attach one program; FLAGS: none, override, multi
 *   attach_conflict watch OBJECT PID
 *       attach the tracing programs; for each line of standard input, print what they counted
 *       for PID
 *
 * Prints "ready", or the errno's name, and ends when standard input ends.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int say_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static int refused(int error)
{
	puts(strerrorname_np(error < 0 ? -error : error));
	return 0;
}

static unsigned int attach_flags(const char *text)
{
	if (!strcmp(text, "multi"))
		return BPF_F_ALLOW_MULTI;
	return strcmp(text, "override") ? 0 : BPF_F_ALLOW_OVERRIDE;
}

static int ready(void)
{
	puts("ready");
	fflush(stdout);
	return 0;
}

static int attach(struct bpf_object *object, char **argv)
{
	struct bpf_program *program, *wanted = NULL;
	int cgroup = open(argv[4], O_RDONLY | O_CLOEXEC);
	char line[16];
	int error;

	bpf_object__for_each_program(program, object)
	{
		bool is_it = !strcmp(bpf_program__name(program), argv[3]);

		bpf_program__set_autoload(program, is_it);
		if (is_it)
			wanted = program;
	}
	error = wanted && cgroup >= 0 ? bpf_object__load(object) : -ENOENT;
	if (!error)
		error = bpf_prog_attach(bpf_program__fd(wanted), cgroup, BPF_CGROUP_INET4_CONNECT,
					attach_flags(argv[5]));
	if (error)
		return refused(error);
	ready();
	while (fgets(line, sizeof(line), stdin))
		;
	return bpf_prog_detach2(bpf_program__fd(wanted), cgroup, BPF_CGROUP_INET4_CONNECT);
}

static int watch(struct bpf_object *object, const char *pid_text)
{
	__u32 pid = (__u32)atoi(pid_text), count;
	struct bpf_program *program;
	char line[16];
	int error = bpf_object__load(object);

	if (error)
		return refused(error);
	bpf_object__for_each_program(program, object)
	{
		if (!bpf_program__attach(program))
			return refused(errno);
	}
	ready();
	while (fgets(line, sizeof(line), stdin)) {
		int map = bpf_object__find_map_fd_by_name(object, "watched");

		if (bpf_map_lookup_elem(map, &pid, &count))
			count = 0;
		printf("count %u\n", count);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;

	libbpf_set_print(say_nothing);
	if (argc != 6 && argc != 4)
		return 2;
	object = bpf_object__open(argv[2]);
	if (!object)
		return refused(errno);
	return argc == 6 ? attach(object, argv) : watch(object, argv[3]);
}
