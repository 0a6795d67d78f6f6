/* SPDX-License-Identifier: MIT */
/*
 * gate_registry.c - gates that a process knows by name, and which of its children
 * reads their events.
 *
 * A host such as nginx makes a new Lua state with each reload, and forks the
 * processes that do the work.  A gate must pass from the old state to the new
 * one without a moment in which nobody holds it.  What a child does with the links
 * that it inherits: tg_gate_restrict() in restrict.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "gate/gate.h"
#include "tidegate_private.h"

struct tg_gate_name {
	struct tg_gate_name *next;
	struct tg_gate *gate;
	uint32_t holders;
	char text[];
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static struct tg_gate_name *names;

static struct tg_gate_name *find_name(const char *text)
{
	struct tg_gate_name *name = names;

	while (name && strcmp(name->text, text))
		name = name->next;
	return name;
}

static int make_named(const char *text, uint32_t ring_bytes, struct tg_gate **out)
{
	struct tg_gate_name *name = malloc(sizeof(*name) + strlen(text) + 1);
	struct tg_gate *gate;
	int error;

	if (!name)
		return tg_fail(-ENOMEM, "out of memory: no room for the gate's name");
	error = tg_gate_make(ring_bytes, &gate);
	if (error) {
		free(name);
		return error;
	}
	*name = (struct tg_gate_name){.next = names, .gate = gate, .holders = 1};
	strcpy(name->text, text);
	names = gate->name = name;
	*out = gate;
	return 0;
}

int tg_gate_shared(const char *text, uint32_t ring_bytes, struct tg_gate **gate)
{
	struct tg_gate_name *name;
	int error = 0;

	pthread_mutex_lock(&guard);
	name = find_name(text);
	if (name) {
		name->holders++;
		*gate = name->gate;
	} else {
		error = make_named(text, ring_bytes, gate);
	}
	pthread_mutex_unlock(&guard);
	return error;
}

/* Remove one holder.  True if others are left; else the name is removed, too. */
static bool release(struct tg_gate_name *name)
{
	struct tg_gate_name **at = &names;
	bool held;

	pthread_mutex_lock(&guard);
	held = --name->holders > 0;
	if (!held) {
		while (*at != name)
			at = &(*at)->next;
		*at = name->next;
	}
	pthread_mutex_unlock(&guard);
	if (!held)
		free(name);
	return held;
}

void tg_gate_close(struct tg_gate *gate)
{
	if (gate && !(gate->name && release(gate->name)))
		tg_gate_free(gate);
}

/* --- Children ---------------------------------------------------------------------- */

/* The fork copied this process as it was: no other thread holds a lock, because there is none. */
static void restrict_child(void)
{
	for (struct tg_gate_name *name = names; name; name = name->next) {
		const int *flag = name->gate->restricts_children;

		if (flag && *flag)
			tg_gate_restrict(name->gate, TG_MAY_ALL);
	}
}

static pthread_once_t handler_set = PTHREAD_ONCE_INIT;

static void set_handler(void)
{
	pthread_atfork(NULL, NULL, restrict_child);
}

int tg_gate_restrict_children(struct tg_gate *gate, const int *flag)
{
	int error = tg_gate_check_control(gate, "restrict_children") ?: TG_REQUIRE(flag);

	if (!error && !gate->name)
		error = tg_fail(-EINVAL, "restrict_children: the gate is not shared");
	if (error)
		return error;
	gate->restricts_children = flag;
	pthread_once(&handler_set, set_handler);
	return 0;
}

/* --- The reader -------------------------------------------------------------------- */

/*
 * A POSIX lock belongs to the process: children do not inherit it, and the kernel
 * drops it however the process ends.
 */
static int set_lock(const struct tg_gate *gate, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	if (!fcntl(gate->reader_lock, F_SETLK, &lock))
		return 0;
	return errno == EACCES || errno == EAGAIN
		       ? -EAGAIN
		       : tg_fail_errno(-errno, "cannot become the reader of the gate's events");
}

int tg_gate_claim_events(struct tg_gate *gate)
{
	int error = tg_gate_check_right(gate, TG_MAY_EVENTS, "claim_events");

	if (error)
		return error;
	error = set_lock(gate, F_WRLCK);
	if (error)
		return error == -EAGAIN ? 0 : error;
	gate->reader = getpid();
	return 1;
}

int tg_gate_release_events(struct tg_gate *gate)
{
	int error = tg_gate_check_right(gate, TG_MAY_EVENTS, "release_events");

	if (!error)
		error = set_lock(gate, F_UNLCK);
	if (!error)
		gate->reader = 0;
	return error;
}
