/* SPDX-License-Identifier: MIT */
/* redirected.c - reading what bpf/turned.bpf.c tells. */
#include "gate/redirected.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include "system/capability.h"
#include "base/error.h"
#include "redirected.skel.h"

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static int attach(struct redirected_bpf *skeleton, int map, struct bpf_link **link)
{
	union bpf_iter_link_info info = {.map.map_fd = (__u32)map};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
		    .link_info_len = sizeof(info));
	struct bpf_link *made = bpf_program__attach_iter(skeleton->progs.redirected, &options);

	if (!made)
		return -errno;
	*link = made;
	return 0;
}

int tg_redirected_open(struct tg_gate *gate)
{
	libbpf_print_fn_t before;
	int error;

	/* Where no connect was ever turned, there is nothing to go through. */
	if (gate->redirected_link || gate->shared.origins < 0)
		return 0;
	before = libbpf_set_print(quiet);
	gate->redirected = redirected_bpf__open_and_load();
	error = gate->redirected
			? attach(gate->redirected, gate->shared.origins, &gate->redirected_link)
			: -errno;
	libbpf_set_print(before);
	if (!error)
		return 0;
	tg_redirected_close(gate);
	if (error == -EPERM || error == -EACCES || !tg_capabilities_suffice())
		return tg_fail(-EPERM,
			       "cannot go through the gate's sockets: needs " TG_CAPABILITIES
			       "; run `tidegate doctor`");
	return tg_fail_errno(error, "cannot go through the gate's sockets, which takes Linux 5.9");
}

void tg_redirected_close(struct tg_gate *gate)
{
	bpf_link__destroy(gate->redirected_link);
	redirected_bpf__destroy(gate->redirected);
	gate->redirected_link = NULL;
	gate->redirected = NULL;
}

int tg_redirected_each(const struct tg_gate *gate, tg_redirected_visit visit, void *context)
{
	struct tg_redirected sockets[64];
	ssize_t got = 0;
	int result = 0, fd;

	if (!gate->redirected_link)
		return 0;
	fd = bpf_iter_create(bpf_link__fd(gate->redirected_link));
	if (fd < 0)
		return tg_fail_errno(fd, "cannot go through the gate's sockets");
	while (!result && (got = read(fd, sockets, sizeof(sockets))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			result = tg_fail_errno(-errno, "cannot go through the gate's sockets");
		for (size_t i = 0; got > 0 && !result && i < (size_t)got / sizeof(*sockets); i++)
			result = visit(&sockets[i], context);
	}
	close(fd);
	return result;
}
