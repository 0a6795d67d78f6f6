/* SPDX-License-Identifier: MIT */
/*
 * gate_registry.c - gates that a process knows by name, and which of its children
 * reads their events.
 *
 * A host such as nginx makes a new Lua state with each reload, and forks the
 * processes that do the work.  A gate must pass from the old state to the new
 * one without a moment in which nobody holds it.  What a child does with the links
 * that it inherits: tg_gate_detach() in attach.c.
 */
#define _GNU_SOURCE /* memfd_create() */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "gate/gate.h"

struct tg_gate_name {
	struct tg_gate_name *next;
	struct tg_gate *gate;
	uint32_t holders;
	int reader; /* an empty file: the process that reads the events has it locked */
	char text[];
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static struct tg_gate_name *names;

static int name_gate(const char *text, struct tg_gate *gate, struct tg_gate_name **out)
{
	struct tg_gate_name *name = malloc(sizeof(*name) + strlen(text) + 1);
	int reader;

	if (!name)
		return tg_fail(-ENOMEM, "out of memory: no room for the gate's name");
	reader = memfd_create("tidegate-reader", MFD_CLOEXEC);
	if (reader < 0) {
		int error = tg_fail_errno(-errno, "cannot make the lock of the gate's reader");

		free(name);
		return error;
	}
	*name = (struct tg_gate_name){.gate = gate, .holders = 1, .reader = reader};
	strcpy(name->text, text);
	*out = name;
	return 0;
}

static struct tg_gate_name *find_name(const char *text)
{
	struct tg_gate_name *name = names;

	while (name && strcmp(name->text, text))
		name = name->next;
	return name;
}

static int open_named(const char *text, struct tg_gate **out)
{
	struct tg_gate *gate;
	int error = tg_gate_open(NULL, &gate);

	if (error)
		return error;
	error = name_gate(text, gate, &gate->name);
	if (error) {
		tg_gate_free(gate);
		return error;
	}
	gate->name->next = names;
	names = gate->name;
	*out = gate;
	return 0;
}

int tg_gate_named(const char *text, struct tg_gate **gate)
{
	struct tg_gate_name *name;
	int error = 0;

	pthread_mutex_lock(&guard);
	name = find_name(text);
	if (name) {
		name->holders++;
		*gate = name->gate;
	} else {
		error = open_named(text, gate);
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
	if (!held) {
		close(name->reader);
		free(name);
	}
	return held;
}

void tg_gate_close(struct tg_gate *gate)
{
	if (gate && !(gate->name && release(gate->name)))
		tg_gate_free(gate);
}

/* --- The reader -------------------------------------------------------------------- */

/*
 * A POSIX lock belongs to the process: children do not inherit it, and the kernel
 * drops it however the process ends.
 */
static int set_lock(const struct tg_gate *gate, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	if (!gate->name)
		return tg_fail(-EINVAL, "the gate has no name: nobody else can read its events");
	if (!fcntl(gate->name->reader, F_SETLK, &lock))
		return 0;
	return errno == EACCES || errno == EAGAIN
		       ? -EAGAIN
		       : tg_fail_errno(-errno, "cannot become the reader of the gate's events");
}

int tg_gate_claim(struct tg_gate *gate)
{
	int error = set_lock(gate, F_WRLCK);

	return error == -EAGAIN ? 0 : error ?: 1;
}

int tg_gate_resign(struct tg_gate *gate)
{
	return set_lock(gate, F_UNLCK);
}
