/* SPDX-License-Identifier: MIT */
/*
 * gate.h - what a running gate consists of, and what the files that share the
 * work lend each other: a section a file.
 *
 * publish.c publishes, attach.c keeps the links, gate_tables.c and gate_backends.c
 * the tables in force, ring.c and event.c read the events, stats.c the counters,
 * gate_registry.c passes a gate on by name, restrict.c gives up rights.
 */
#ifndef TG_GATE_GATE_H
#define TG_GATE_GATE_H

#include <pthread.h>
#include <sys/types.h>

#include "gate/counters.h"
#include "gate/generations.h"
#include "gate/image_slots.h"
#include "gate/program.h"
#include "gate/counter_slots.h"
#include "gate/rule_names.h"
#include "bpf/layout/event_record.h"
#include "parse/element.h"
#include "table/table.h"
#include "tidegate.h"

/* A cgroup that a gate is attached to. */
struct tg_cgroup {
	int fd; /* -1: this process has restricted the gate */
	char *path;
	uint64_t id[2];          /* device and inode */
	int link[TG_HOOK_COUNT]; /* -1: not attached here, or without a link */
	uint32_t programs;       /* bits: attached without a link */
	pid_t owner;             /* the process of ours that has attached to it */
	bool until_removed;      /* TG_ATTACH_UNTIL_REMOVED: without links */
	uint32_t fresh;          /* bits: links that the present call has made */
	bool removed; /* to be dropped: it is gone from the file system, or is detached */
};

/* The event ring, mapped as the kernel lays it out. */
struct tg_ring {
	unsigned long *consumer;
	const unsigned long *producer;
	const char *data; /* mapped twice in a row, so that every record is contiguous */
	size_t bytes;     /* of one mapping */
	size_t page;
};

/*
 * A live table of a gate: a set, or services.  It stays at its address until the
 * gate is closed, because users hold pointers to it.
 */
struct tg_live {
	struct tg_gate *gate;  /* that it belongs to */
	struct tg_table table; /* not there: the image in force does not name it */
	char *name;
	uint32_t number; /* among the gate's */
	enum tg_table_kind kind;
	bool readonly; /* for processes that have restricted the gate */
	bool fresh;    /* made by the present publish */
	bool named;    /* by the image that is being published */
};

/* The public types of the two kinds. */
struct tg_set {
	struct tg_live live;
};

struct tg_services {
	struct tg_live live;
};

struct tg_gate_tables {
	struct tg_live *at[TG_MAX_TABLES];
	uint32_t count;
	int lock_fd;          /* -1: no table has needed it yet */
	int readonly_lock_fd; /* of read-only tables: restricted processes do not have it */
};

/* The lists of backends of an image, in its slot. */
struct tg_lists {
	struct tg_image_slot slot;
	struct tg_table_rows blocks;
};

/* Those of the image in force, and of images before it that calls may still pick by. */
struct tg_gate_lists {
	struct tg_lists at[TG_MAX_IMAGES + 2];
	uint32_t count;
};

struct redirected_bpf;
struct bpf_link;

struct tg_gate {
	pthread_mutex_t lock; /* of what other threads read while one publishes: see below */
	struct tg_shared_maps shared;
	struct tg_program_set set;
	bool loaded;
	uint32_t hooks; /* bits: what the image in force attaches */
	uint64_t generation;
	struct tg_generations generations; /* those before */
	int publish_lock;                  /* locked by the process that publishes */
	size_t image_bytes;
	uint32_t deny_on_error; /* operations, bits: see tg_put_in_force() */
	struct tg_slot_table slots;
	struct tg_counter_maps counters;
	struct tg_hook_totals *totals; /* [copy * TG_HOOK_COUNT + hook] */
	uint32_t copies;               /* of the totals */
	struct tg_cgroup *cgroups;
	uint32_t cgroup_count;
	uint32_t cgroup_capacity;
	struct tg_ring ring;
	int wait_fd;       /* an epoll set: readable if there are events, or as address_watch */
	int address_watch; /* see address_watch.h; -1: no image has named "@local" yet */
	struct tg_name_history names; /* for events */
	struct tg_gate_tables tables;
	struct tg_gate_lists lists;
	struct tg_gate_name *name;         /* that this process knows it by; NULL: none */
	int reader_lock;                   /* the process that reads the events has it locked */
	pid_t reader;                      /* the last process of ours that claimed the events */
	uint32_t may;                      /* TG_MAY_* */
	bool restricted;                   /* by tg_gate_restrict() */
	const int *restricts_children;     /* see tg_gate_restrict_children(); NULL: not called */
	struct redirected_bpf *redirected; /* see redirected.h; NULL: not opened yet */
	struct bpf_link *redirected_link;
};

/*
 * Any thread may read counters and use live tables.  What a publish changes of them, it changes
 * with the gate locked, and what reads them has it locked meanwhile.
 */
static inline void tg_gate_lock(const struct tg_gate *gate)
{
	pthread_mutex_lock((pthread_mutex_t *)&gate->lock);
}

static inline void tg_gate_unlock(const struct tg_gate *gate)
{
	pthread_mutex_unlock((pthread_mutex_t *)&gate->lock);
}

/* --- gate.c ------------------------------------------------------------------ */

/* Make a gate that nobody else has; `ring_bytes` as in struct tg_gate_options. */
int tg_gate_make(uint32_t ring_bytes, struct tg_gate **gate);

/* Close a gate that has no other holders. */
void tg_gate_free(struct tg_gate *gate);

/* Map the totals of the hooks, which have this many copies. */
int tg_gate_map_totals(struct tg_gate *gate, int fd, uint32_t copies);
void tg_gate_unmap_totals(struct tg_gate *gate);

/* Unmap the ring, and close what it takes to wait for events. */
void tg_gate_close_ring(struct tg_gate *gate);

/* Close what it takes to publish and to attach. */
void tg_gate_drop_control(struct tg_gate *gate);

/* Close and unmap what it takes to read events; counters. */
void tg_gate_drop_events(struct tg_gate *gate);
void tg_gate_drop_counters(struct tg_gate *gate);

/* Close the descriptor of the ring, which stays mapped. */
void tg_gate_drop_ring_map(struct tg_gate *gate);

/*
 * Keep what it takes to read counters, and no right to write them.  Before
 * tg_gate_drop_control().  If it fails, counters are dropped.
 */
int tg_gate_protect_counters(struct tg_gate *gate);

/* --- gate_registry.c --------------------------------------------------------- */

/* Get the gate of this process that has this name; make it if there is none. */
int tg_gate_shared(const char *name, uint32_t ring_bytes, struct tg_gate **gate);

/* All rights that a restricted process may have kept. */
#define TG_MAY_ALL (TG_MAY_EVENTS | TG_MAY_TABLES | TG_MAY_STATS)

/* --- restrict.c -------------------------------------------------------------- */

/*
 * What a public function asks first.  `call` says what is done: "publish".
 * -EINVAL: `gate` is NULL; -EPERM: this process has restricted itself.
 */
int tg_gate_check(const struct tg_gate *gate, const char *call);
int tg_gate_check_control(const struct tg_gate *gate, const char *call);
int tg_gate_check_right(const struct tg_gate *gate, uint32_t right, const char *call);

/* TG_MAY_EVENTS, and that a restricted process has claimed the events. */
int tg_gate_check_reader(const struct tg_gate *gate, const char *call);

/* --- attach.c ---------------------------------------------------------------- */

/* Give every link the program of another set.  If one fails, all keep the old one. */
int tg_links_move(struct tg_gate *gate, const struct tg_program_set *from,
		  const struct tg_program_set *to);

/* Attach `hooks` to every cgroup where they are not attached yet. */
int tg_links_add(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks);

/* Undo the last tg_links_add() of this set, also if it failed halfway. */
void tg_links_undo(struct tg_gate *gate, const struct tg_program_set *set);

/* Detach `hooks`, whose programs are those of `set`, and forget cgroups that no longer exist. */
void tg_links_drop(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks);

/* Keep only where they are: for a process that gives up control of them. */
void tg_links_release(struct tg_gate *gate);

/* Forget every cgroup.  What is attached to it until it is removed stays attached. */
void tg_links_close(struct tg_gate *gate);

/* --- attach_target.c ---------------------------------------------------------- */

/* Open the cgroup that a target names, as a cgroup that nothing is attached to yet. */
int tg_target_open(const char *target, uint32_t flags, struct tg_cgroup *cgroup);

/* The gate's own entry for the same cgroup; NULL: the gate is not attached to it. */
struct tg_cgroup *tg_gate_attached_to(const struct tg_gate *gate, const struct tg_cgroup *cgroup);

/*
 * The cgroup of this name that the gate is attached to.  If it was removed, perhaps another
 * cgroup has its path by now.
 */
struct tg_cgroup *tg_gate_find_attached(const struct tg_gate *gate, const char *target);

/* --- attachment.c ------------------------------------------------------------ */

/*
 * Whether a hook that the gate has attached to a cgroup still is, by its link or without.  The
 * latter only CAP_NET_ADMIN can know: a process without it learns whether the cgroup is there.
 */
bool tg_hook_holds(const struct tg_gate *gate, const struct tg_cgroup *cgroup, int hook);

/* What is in force on a cgroup that the gate is attached to. */
void tg_attachment_of(const struct tg_gate *gate, const struct tg_cgroup *cgroup,
		      struct tg_attachment *attachment);

/* --- gate_tables.c ----------------------------------------------------------- */

/*
 * Publishing takes three steps.  Make the tables that an image names and the gate
 * does not have; numbers[i] becomes the number of the image's table i.  Install
 * them for a program set.  Settle: if the image was published, drop the tables that
 * it does not name, unless programs may still ask about them; else those that were
 * made for it.
 */
int tg_gate_tables_make(struct tg_gate *gate, const void *rows, uint32_t *numbers);
int tg_gate_tables_install(struct tg_gate *gate, int outer);
void tg_gate_tables_settle(struct tg_gate *gate, bool published);

/* Before they are settled: whether there are tables that the image does not name. */
bool tg_gate_tables_leave(const struct tg_gate *gate);
void tg_gate_tables_free(struct tg_gate *gate);

/* Close the live tables; those who have pointers to them get -ENOENT from now on. */
void tg_gate_tables_close(struct tg_gate *gate);

/* Keep the rows of the live tables, and no descriptor; those of read-only ones for reading. */
int tg_gate_tables_restrict(struct tg_gate *gate);

/* The table in force of this name and kind, or NULL.  The caller has the gate locked. */
struct tg_live *tg_gate_live(const struct tg_gate *gate, const char *name, enum tg_table_kind kind);

/* Like tg_gate_live(), for public functions.  -ENOENT, -EPERM. */
int tg_gate_find_live(const struct tg_gate *gate, const char *name, enum tg_table_kind kind,
		      struct tg_live **live);

/*
 * Begin to use a table: no other thread of this process does, or takes it away, before
 * tg_live_leave().  -ENOENT: the image in force does not declare it; -EPERM.
 */
int tg_live_enter(const struct tg_live *live);

/* The same, to change it.  -EPERM, too: it is read-only for this process. */
int tg_live_enter_change(const struct tg_live *live);

/* Whether this process has the rows for reading only: no lock, no repair, no sweep. */
static inline bool tg_live_is_readonly(const struct tg_live *live)
{
	return live->readonly && live->gate->restricted;
}

void tg_live_leave(const struct tg_live *live);

/* --- gate_backends.c --------------------------------------------------------- */

/* Keep the slot of an image that is in force now, if it has lists of backends; else unmap it. */
void tg_gate_lists_keep(struct tg_gate *gate, struct tg_image_slot *slot);

/* Bring the counts to the image in force, and drop the lists that no program reads any more. */
void tg_gate_lists_settle(struct tg_gate *gate);

/* Set the counts of a copy of the image in force to 0. */
void tg_gate_lists_clear(const struct tg_image_slot *slot);

/* Bring the counts of a copy of the image in force to its lists. */
void tg_gate_lists_take_back(const struct tg_gate *gate, const struct tg_image_slot *slot);

void tg_gate_lists_drop(struct tg_gate *gate);

/* Keep those of the image in force, for reading. */
int tg_gate_lists_restrict(struct tg_gate *gate);

/* --- gate_set.c -------------------------------------------------------------- */

/* Put elements in the place of those of a set. */
int tg_set_replace_elements(struct tg_set *set, const struct tg_elements *elements);

/* --- gate_local.c ------------------------------------------------------------ */

/*
 * For a publish: fill the set of "@local", if the image names it, with the host's addresses,
 * and watch them.  The caller has the gate locked.
 */
int tg_gate_local_fill(struct tg_gate *gate);

/* For the reader of the events: fill it again if an address has come or gone. */
int tg_gate_local_follow(const struct tg_gate *gate);

/* --- ring.c ------------------------------------------------------------------ */

int tg_ring_map(struct tg_ring *ring, int fd, size_t bytes);
void tg_ring_unmap(struct tg_ring *ring);

/*
 * Make a descriptor that can only be waited for: it is readable when the ring has events, which
 * it has as long as it is mapped, also after `fd` is closed.
 */
int tg_ring_watch(int fd, int *wait_fd);

/* The records at the head of the ring, in place: at most `most` of them. */
int tg_ring_head(const struct tg_gate *gate, uint32_t most, const struct tg_event_record **records,
		 uint32_t *count);

#endif
