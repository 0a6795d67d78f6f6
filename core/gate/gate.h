/* SPDX-License-Identifier: MIT */
/*
 * gate.h - what a running gate consists of, and what the files that share the
 * work lend each other: a section a file.
 *
 * gate.c publishes, attach.c keeps the links, gate_tables.c and gate_backends.c
 * the tables in force, ring.c reads the events, stats.c the counters,
 * gate_registry.c passes a gate on by name.
 */
#ifndef TG_GATE_GATE_H
#define TG_GATE_GATE_H

#include "gate/counters.h"
#include "gate/program.h"
#include "gate/counter_slots.h"
#include "table/table.h"
#include "tidegate.h"

struct tg_cgroup {
	int fd;
	uint64_t id[2];     /* device and inode */
	int link[TG_HOOKS]; /* -1: not attached here */
	uint32_t fresh;     /* bits: links that the present call has made */
	bool removed;       /* the cgroup is gone from the file system: nothing to attach to */
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
	struct tg_table table; /* fd -1: the image in force does not name it */
	char *name;
	enum tg_table_kind kind;
	bool fresh; /* made by the present publish */
	bool named; /* by the image that is being published */
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
	int lock_fd;               /* -1: no table has needed it yet */
	struct tg_table blocks[2]; /* see gate_backends.c; fd -1: none */
};

struct redirected_bpf;
struct bpf_link;

struct tg_gate {
	struct tg_shared_maps shared;
	struct tg_program_set set;
	bool loaded;
	uint32_t hooks; /* bits: what the image in force attaches */
	uint64_t generation;
	int image_fd; /* the map in force; -1: none yet */
	size_t image_bytes;
	struct tg_slot_table slots;
	struct tg_counter_maps counters;
	struct tg_hook_totals *totals; /* [copy * TG_HOOKS + hook] */
	uint32_t copies;               /* of the totals */
	struct tg_cgroup *cgroups;
	uint32_t cgroup_count;
	uint32_t cgroup_capacity;
	struct tg_ring ring;
	struct tg_gate_tables tables;
	struct tg_gate_name *name;         /* that this process knows it by; NULL: none */
	struct redirected_bpf *redirected; /* see redirected.h; NULL: not opened yet */
	struct bpf_link *redirected_link;
};

/* --- gate.c ------------------------------------------------------------------ */

/* Close a gate that has no other holders. */
void tg_gate_free(struct tg_gate *gate);

/* --- image_map.c ------------------------------------------------------------- */

/* Make a map that holds a copy of an image, stamped for this gate: see stamp.h. */
int tg_image_map_make(const void *rows, size_t bytes, const struct tg_slot_table *slots,
		      const uint32_t *tables, uint64_t generation, uint32_t capacity_rows, int *fd);

/* Make a map of another capacity that holds the same image. */
int tg_image_map_copy(int from, size_t bytes, uint32_t capacity_rows, int *fd);

/*
 * Put an image in force for a program set, whose outer map is `outer`.  When it
 * returns, no program uses the image before.
 */
int tg_image_map_install(int outer, int fd);

/* --- attach.c ---------------------------------------------------------------- */

/* Give every link the program of another set.  If one fails, all keep the old one. */
int tg_links_move(struct tg_gate *gate, const struct tg_program_set *from,
		  const struct tg_program_set *to);

/* Attach `hooks` to every cgroup where they are not attached yet. */
int tg_links_add(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks);

/* Undo the last tg_links_add(), also if it failed halfway. */
void tg_links_undo(struct tg_gate *gate);

/* Detach `hooks`, and everything from cgroups that no longer exist. */
void tg_links_drop(struct tg_gate *gate, uint32_t hooks);

/* --- gate_tables.c ----------------------------------------------------------- */

/* For messages.  After a fork, a process knows the tables of that time only. */
#define TG_NO_TABLE                                                                                \
	"the policy in force declares none of this name, or it was published after this process "  \
	"was forked"

/*
 * Publishing takes three steps.  Make the tables that an image names and the gate
 * does not have; numbers[i] becomes the number of the image's table i.  Install
 * them, and the blocks, for a program set.  Settle: if the image was published,
 * drop the tables that it does not name, else those that were made for it.
 */
int tg_gate_tables_make(struct tg_gate *gate, const void *rows, uint32_t *numbers);
int tg_gate_tables_install(struct tg_gate *gate, int outer);
void tg_gate_tables_settle(struct tg_gate *gate, bool published);
void tg_gate_tables_free(struct tg_gate *gate);

/* The table in force of this name and kind, or NULL. */
struct tg_live *tg_gate_live(const struct tg_gate *gate, const char *name, enum tg_table_kind kind);

/* --- gate_backends.c --------------------------------------------------------- */

/*
 * The same steps for the backends of rules, whose table is new for each
 * image.  tg_gate_tables_install() installs tg_gate_blocks_made(); its fd is -1
 * if the image has no backends.
 */
int tg_gate_blocks_make(struct tg_gate *gate, const void *rows, const struct tg_slot_table *slots);
const struct tg_table *tg_gate_blocks_made(struct tg_gate *gate);
void tg_gate_blocks_settle(struct tg_gate *gate, bool published);

/* --- ring.c ------------------------------------------------------------------ */

int tg_ring_map(struct tg_ring *ring, int fd, size_t bytes);
void tg_ring_unmap(struct tg_ring *ring);

#endif
