/* SPDX-License-Identifier: MIT */
/*
 * attach.c - the links between a gate's programs and its cgroups.
 *
 * The kernel detaches a link when its last descriptor is closed: a host that
 * dies leaves nothing attached.  A forked child closes its copies: tg_gate_detach().
 *
 * On a cgroup that is attached to with TG_ATTACH_UNTIL_REMOVED, the program is attached
 * without a link: no process holds it, and none can let go of it by ending.
 */
#include "gate/gate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "base/hook.h"
#include "base/struct_size.h"
#include "system/attach_conflict.h"
#include "system/capability.h"

static void close_link(int *link)
{
	if (*link >= 0)
		close(*link);
	*link = -1;
}

static int link_failed(int error, const struct tg_cgroup *cgroup, enum tg_hook hook)
{
	const char *name = tg_hook_name(hook);
	char owner[2 * PATH_MAX + 512];

	if (error == -EPERM && !tg_owner_describe(cgroup->fd, hook, owner, sizeof(owner)))
		return tg_fail(error, "cannot attach %s: %s", name, owner);
	if (error == -EPERM)
		return tg_fail(error,
			       "cannot attach %s: not permitted; needs " TG_CAPABILITIES
			       "; run `tidegate doctor`",
			       name);
	return tg_fail_errno(error, "cannot attach %s", name);
}

static bool is_attached(const struct tg_cgroup *cgroup, int hook)
{
	return cgroup->link[hook] >= 0 || cgroup->programs >> hook & 1;
}

/* Attach a program without a link; `instead` is the program that it replaces, or -1. */
static int attach_program(const struct tg_cgroup *cgroup, enum tg_hook hook, int program,
			  int instead)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, options, .flags = BPF_F_ALLOW_MULTI);

	if (instead >= 0) {
		options.flags |= BPF_F_REPLACE;
		options.replace_prog_fd = instead;
	}
	return bpf_prog_attach_opts(program, cgroup->fd, tg_hook_kinds[hook].attach_type, &options);
}

static int make_link(struct tg_cgroup *cgroup, const struct tg_program_set *set, enum tg_hook hook)
{
	int made = cgroup->until_removed ? attach_program(cgroup, hook, set->program[hook], -1)
					 : bpf_link_create(set->program[hook], cgroup->fd,
							   tg_hook_kinds[hook].attach_type, NULL);

	if (made == -ENOENT) {
		cgroup->removed = true;
		return 0;
	}
	if (made < 0)
		return link_failed(made, cgroup, hook);
	if (cgroup->until_removed)
		cgroup->programs |= 1u << hook;
	else
		cgroup->link[hook] = made;
	cgroup->fresh |= 1u << hook;
	return 0;
}

/* Detach our program of a hook, and no other.  That somebody has done so already is no failure. */
static int detach_program(struct tg_cgroup *cgroup, const struct tg_program_set *set, int hook)
{
	int error;

	if (!(cgroup->programs >> hook & 1))
		return 0;
	error = bpf_prog_detach2(set->program[hook], cgroup->fd, tg_hook_kinds[hook].attach_type);
	if (error && error != -ENOENT)
		return tg_fail_errno(error, "cannot detach %s from %s", tg_hook_name(hook),
				     cgroup->path);
	cgroup->programs &= ~(1u << hook);
	return 0;
}

/* --- All cgroups of a gate --------------------------------------------------------- */

/*
 * Replace a program.  -ENOENT says that there is no such cgroup any more, or that the program
 * is not there: somebody has detached it, or, in an undo, it was not moved yet.
 */
static int move_link(struct tg_cgroup *cgroup, int hook, const struct tg_program_set *from,
		     const struct tg_program_set *to)
{
	int error;

	if (cgroup->programs >> hook & 1) {
		error = attach_program(cgroup, hook, to->program[hook], from->program[hook]);
		return error == -ENOENT ? 0 : error;
	}
	if (cgroup->link[hook] < 0)
		return 0;
	error = bpf_link_update(cgroup->link[hook], to->program[hook], NULL);
	if (error == -ENOLINK)
		cgroup->removed = true;
	return error == -ENOLINK ? 0 : error;
}

static int move_links(struct tg_gate *gate, const struct tg_program_set *from,
		      const struct tg_program_set *to)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
			int error = move_link(&gate->cgroups[i], hook, from, to);

			if (error)
				return tg_fail_errno(error, "cannot replace the program of %s",
						     tg_hook_name(hook));
		}
	}
	return 0;
}

int tg_links_move(struct tg_gate *gate, const struct tg_program_set *from,
		  const struct tg_program_set *to)
{
	int error = move_links(gate, from, to);

	if (error)
		move_links(gate, to, from);
	return error;
}

static int add_links(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
			int error;

			if (!(hooks >> hook & 1) || is_attached(&gate->cgroups[i], hook) ||
			    gate->cgroups[i].removed)
				continue;
			error = make_link(&gate->cgroups[i], set, (enum tg_hook)hook);
			if (error)
				return error;
		}
	}
	return 0;
}

int tg_links_add(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++)
		gate->cgroups[i].fresh = 0;
	return add_links(gate, set, hooks);
}

/* Detach hooks from a cgroup.  If one fails, the others are detached nevertheless. */
static int drop_links(struct tg_cgroup *cgroup, const struct tg_program_set *set, uint32_t hooks)
{
	int error = 0;

	for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
		if (!(hooks >> hook & 1))
			continue;
		close_link(&cgroup->link[hook]);
		error = detach_program(cgroup, set, hook) ?: error;
	}
	return error;
}

void tg_links_undo(struct tg_gate *gate, const struct tg_program_set *set)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		drop_links(&gate->cgroups[i], set, gate->cgroups[i].fresh);
		gate->cgroups[i].fresh = 0;
	}
}

/* Close what this process holds.  What is attached until the cgroup is removed stays. */
static void close_cgroup(struct tg_cgroup *cgroup)
{
	for (int hook = 0; hook < TG_HOOK_COUNT; hook++)
		close_link(&cgroup->link[hook]);
	if (cgroup->fd >= 0)
		close(cgroup->fd);
	free(cgroup->path);
}

/* Forget the cgroups that are removed, from the file system or from this gate. */
static void forget_removed(struct tg_gate *gate)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		if (gate->cgroups[i].removed)
			close_cgroup(&gate->cgroups[i]);
		else
			gate->cgroups[kept++] = gate->cgroups[i];
	}
	gate->cgroup_count = kept;
}

void tg_links_drop(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		if (!gate->cgroups[i].removed)
			drop_links(&gate->cgroups[i], set, hooks);
	}
	forget_removed(gate);
}

void tg_links_release(struct tg_gate *gate)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		struct tg_cgroup *cgroup = &gate->cgroups[i];

		for (int hook = 0; hook < TG_HOOK_COUNT; hook++)
			close_link(&cgroup->link[hook]);
		if (cgroup->fd >= 0)
			close(cgroup->fd);
		cgroup->fd = -1;
	}
}

void tg_links_close(struct tg_gate *gate)
{
	for (uint32_t i = 0; i < gate->cgroup_count; i++)
		close_cgroup(&gate->cgroups[i]);
	gate->cgroup_count = 0;
	free(gate->cgroups);
	gate->cgroups = NULL;
	gate->cgroup_capacity = 0;
}

/* --- One cgroup --------------------------------------------------------------------- */

/* Attach to one more cgroup; takes it over if that succeeds. */
static int attach_to(struct tg_gate *gate, const struct tg_cgroup *cgroup)
{
	int error = tg_array_reserve(gate->cgroups, gate->cgroup_capacity, gate->cgroup_count + 1,
				     "cgroups");

	if (error)
		return error;
	gate->cgroups[gate->cgroup_count++] = *cgroup;
	/* Perhaps one of them is above another. */
	if (gate->cgroup_count > 1)
		tg_program_set_nest(&gate->set);
	error = tg_links_add(gate, &gate->set, gate->hooks);
	if (!error && gate->cgroups[gate->cgroup_count - 1].removed)
		error = tg_fail(-ENOENT, "%s: this cgroup has just been removed", cgroup->path);
	if (error) {
		tg_links_undo(gate, &gate->set);
		gate->cgroup_count--;
	}
	return error;
}

/*
 * Detach from a cgroup, which is then removed from this gate.  A forked child only forgets what
 * its parent has attached until the cgroup is removed: it is the parent's.
 */
static int detach_from(const struct tg_gate *gate, struct tg_cgroup *cgroup)
{
	int error = 0;

	if (!cgroup->removed && cgroup->owner == getpid())
		error = drop_links(cgroup, &gate->set, ~0u);
	cgroup->removed = !error;
	return error;
}

/* Detach from every cgroup but one, which may be NULL. */
static int detach_others(struct tg_gate *gate, const struct tg_cgroup *cgroup)
{
	int error = 0;

	for (uint32_t i = 0; i < gate->cgroup_count; i++) {
		if (&gate->cgroups[i] != cgroup)
			error = detach_from(gate, &gate->cgroups[i]) ?: error;
	}
	forget_removed(gate);
	return error;
}

/* Let go of what the kernel has severed, or somebody has detached.  False: there is nothing. */
static bool close_severed(const struct tg_gate *gate, struct tg_cgroup *cgroup)
{
	bool any = false;

	for (int hook = 0; hook < TG_HOOK_COUNT; hook++) {
		if (!is_attached(cgroup, hook) || tg_hook_holds(gate, cgroup, hook))
			continue;
		close_link(&cgroup->link[hook]);
		cgroup->programs &= ~(1u << hook);
		any = true;
	}
	return any;
}

/* Attach where the gate is attached already: only what is severed is made again. */
static int attach_again(struct tg_gate *gate, struct tg_cgroup *known, const char *target,
			uint32_t flags)
{
	if (flags & TG_ATTACH_UNTIL_REMOVED && !known->until_removed)
		return tg_fail(-EEXIST,
			       "%s: this gate is attached there already, as long as its process "
			       "lives: detach it first",
			       target);
	if (close_severed(gate, known))
		return tg_links_add(gate, &gate->set, gate->hooks);
	return flags & TG_ATTACH_ONLY
		       ? 0
		       : tg_fail(-EEXIST, "%s: this gate is attached there already", target);
}

static int attach(struct tg_gate *gate, const char *target, uint32_t flags,
		  const struct tg_cgroup **out)
{
	struct tg_cgroup cgroup, *known;
	int error = tg_target_open(target, flags, &cgroup);

	if (error)
		return error;
	known = tg_gate_attached_to(gate, &cgroup);
	error = known ? attach_again(gate, known, target, flags) : attach_to(gate, &cgroup);
	if (error || known)
		close_cgroup(&cgroup);
	if (error)
		return error;
	*out = known ? known : &gate->cgroups[gate->cgroup_count - 1];
	if (flags & TG_ATTACH_ONLY) {
		error = detach_others(gate, *out);
		*out = gate->cgroups;
	}
	return error;
}

static int take_options(const struct tg_attach_options *given, struct tg_attach_options *options)
{
	int error =
		given ? tg_struct_take(TG_STRUCT_KIND(tg_attach_options, 16), options, given) : 0;

	if (!error)
		error = tg_check_bits("attach: flags", options->flags,
				      TG_ATTACH_ONLY | TG_ATTACH_UNTIL_REMOVED);
	if (error)
		return error;
	if (options->existing > TG_EXISTING_KILL)
		return tg_fail(-EINVAL, "attach: existing: %u is no TG_EXISTING_*",
			       options->existing);
	if (options->existing != TG_EXISTING_LEAVE)
		return tg_fail(-EOPNOTSUPP,
			       "attach: existing: only \"leave\" is supported yet: sockets that "
			       "are connected already go on");
	return 0;
}

int tg_gate_attach(struct tg_gate *gate, const char *target, const struct tg_attach_options *given,
		   struct tg_attachment *attached)
{
	const struct tg_struct_kind *kind = TG_STRUCT_KIND(tg_attachment, 40);
	struct tg_attach_options options = {0};
	int error = tg_gate_check_control(gate, "attach");
	const struct tg_cgroup *cgroup;
	struct tg_attachment made;

	if (!error)
		error = TG_REQUIRE(target);
	if (!error)
		error = take_options(given, &options);
	if (!error && attached)
		error = tg_struct_check(kind, attached);
	if (!error && !gate->loaded)
		error = tg_fail(-EINVAL, "nothing to attach: publish an image first");
	if (!error)
		error = attach(gate, target, options.flags, &cgroup);
	if (error || !attached)
		return error;
	tg_attachment_of(gate, cgroup, &made);
	tg_struct_give(kind, attached, &made);
	return 0;
}

/* --- Detaching ---------------------------------------------------------------------- */

/* In a forked child, such as a worker, this closes its copies of the links: they stay in force. */
int tg_gate_detach(struct tg_gate *gate, const char *target)
{
	int error = tg_gate_check_control(gate, "detach");
	struct tg_cgroup *cgroup;

	if (error)
		return error;
	if (!target)
		return detach_others(gate, NULL);
	cgroup = tg_gate_find_attached(gate, target);
	if (!cgroup)
		return tg_fail(-ENOENT, "%s: this gate is not attached there", target);
	error = detach_from(gate, cgroup);
	forget_removed(gate);
	return error;
}
