/* SPDX-License-Identifier: MIT */
/* redirected.c - reading what bpf/redirected.bpf.c reports. */
#include "gate/redirected.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/libbpf_log.h"
#include "redirected.skel.h"
#include "system/capability.h"

static struct bpf_link *attach_by_storage(struct redirected_bpf *skeleton, int origins)
{
	union bpf_iter_link_info info = {.map.map_fd = (__u32)origins};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
		    .link_info_len = sizeof(info));

	return bpf_program__attach_iter(skeleton->progs.redirected_by_storage, &options);
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

/* Load and attach one of two iterators: over all open files, or over what sockets store. */
static int load(struct tg_gate *gate, bool by_file)
{
	struct redirected_bpf *skeleton = redirected_bpf__open();
	int error = skeleton ? 0 : -errno;

	if (error)
		return error;
	gate->redirected = skeleton;
	*(uint32_t *)&skeleton->rodata->tg_origins_id = map_id(gate->shared.origins);
	bpf_program__set_autoload(skeleton->progs.redirected_by_storage, !by_file);
	bpf_program__set_autoload(skeleton->progs.redirected_by_file, by_file);
	error = bpf_map__reuse_fd(skeleton->maps.tg_origins, gate->shared.origins);
	if (!error)
		error = redirected_bpf__load(skeleton);
	if (error)
		return error;
	gate->redirected_link =
		by_file ? bpf_program__attach_iter(skeleton->progs.redirected_by_file, NULL)
			: attach_by_storage(skeleton, gate->shared.origins);
	return gate->redirected_link ? 0 : -errno;
}

int tg_redirected_open(struct tg_gate *gate)
{
	int error;

	/* Without this map no connect can be redirected, so there are no sockets to go through. */
	if (gate->redirected_link || gate->shared.origins < 0)
		return 0;
	tg_libbpf_log_begin();
	error = load(gate, false);
	if (error == -EPERM && tg_capabilities_suffice()) {
		tg_redirected_close(gate);
		error = load(gate, true);
	}
	tg_libbpf_log_end();
	if (!error)
		return 0;
	tg_redirected_close(gate);
	if (error == -EPERM || error == -EACCES || !tg_capabilities_suffice())
		return tg_fail(-EPERM,
			       "cannot go through the gate's sockets: needs " TG_CAPABILITIES
			       "; run `tidegate doctor`");
	return tg_fail_errno(error, "cannot go through the gate's sockets (this needs Linux 5.9)");
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
