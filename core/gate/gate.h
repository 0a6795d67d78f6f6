/* SPDX-License-Identifier: MIT */
/*
 * gate.h - what a running gate is made of, for the files that share the work:
 * gate.c publishes, attach.c keeps the links, slots.c the counters, stats.c
 * reads them, ring.c the events, gate_registry.c passes the gate on.
 */
#ifndef TG_GATE_GATE_H
#define TG_GATE_GATE_H

#include "gate/program.h"
#include "table/table.h"
#include "tidegate.h"

/* Which slot a rule's counters live in: by name, so that they survive a publish. */
struct tg_slot_table {
	char **name; /* by slot; NULL: free.  The first TG_OPS are the defaults'. */
	uint32_t room;
	uint32_t *of_rule; /* of the image that the table was made for */
	uint32_t rules;
};

/* The counters that the programs write, mapped. */
struct tg_counter_maps {
	struct tg_hits *hits;
	struct tg_slot *slots;
	uint32_t slot_count;
	uint32_t copies;
};

struct tg_cgroup {
	int fd;
	uint64_t id[2];     /* device and inode */
	int link[TG_HOOKS]; /* -1: not attached here */
	uint32_t fresh;     /* bits: links that the call under way has made */
	bool removed;       /* by somebody, from the file system: nothing left to attach to */
};

/* The events' ring, mapped as the kernel lays it out. */
struct tg_ring {
	unsigned long *consumer;
	const unsigned long *producer;
	const char *data; /* twice, one behind the other: no record is ever torn */
	size_t bytes;     /* of one */
	size_t page;
};

/* A live table of a gate: a set, or services.  It stays, at its place in memory, until the gate is
 * closed. */
struct tg_live {
	struct tg_gate *gate;  /* whose it is */
	struct tg_table table; /* fd -1: no image names it any more */
	char *name;
	enum tg_table_kind kind;
	bool fresh; /* made by the publish under way */
	bool named; /* by the image under way */
};

/* As the users of either kind know it. */
struct tg_set {
	struct tg_live live;
};

struct tg_services {
	struct tg_live live;
};

struct redirected_bpf;
struct bpf_link;

struct tg_gate_tables {
	struct tg_live *at[TG_MAX_TABLES];
	uint32_t count;
	int lock_fd;               /* -1: not needed yet */
	struct tg_table blocks[2]; /* lists of backends: see gate_backends.c; fd -1: none */
};

struct tg_gate {
	struct tg_shared_maps shared;
	struct tg_program_set set;
	bool loaded;
	uint32_t hooks; /* bits: what the image in force attaches */
	uint64_t generation;
	int image_fd; /* the map in force; -1: none yet */
	size_t image_bytes;
	struct tg_slot_table table;
	struct tg_counter_maps counters;
	struct tg_hook_totals *totals; /* [stripe * TG_HOOKS + hook] */
	uint32_t copies;               /* of the totals */
	struct tg_cgroup *cgroups;
	uint32_t cgroup_count;
	struct tg_ring ring;
	struct tg_gate_tables tables;
	struct tg_name *name;              /* that the process knows it by; NULL: none */
	struct redirected_bpf *redirected; /* see redirected.h; NULL: not asked for yet */
	struct bpf_link *redirected_link;
};

/* slots.c */
int tg_slots_assign(const struct tg_slot_table *old, const struct tg_image *image,
		    struct tg_slot_table *table);
uint32_t tg_slots_needed(const struct tg_slot_table *table);
void tg_slots_free(struct tg_slot_table *table);
void tg_slots_stamp(const struct tg_slot_table *table, void *rows);
int tg_counters_map(const struct tg_program_set *set, struct tg_counter_maps *counters);
void tg_counters_unmap(struct tg_counter_maps *counters);
void tg_counters_fold(struct tg_counter_maps *into, const struct tg_counter_maps *from);
void tg_counters_settle(struct tg_counter_maps *counters, const struct tg_slot_table *table,
			const void *rows);
void tg_counters_clear(struct tg_counter_maps *counters, const struct tg_slot_table *old,
		       const struct tg_slot_table *now);

void tg_counters_read(const struct tg_counter_maps *maps, uint32_t slot,
		      struct tg_counters *counters);

/* A process that has the gate by fork knows the tables that there were then. */
#define TG_NO_TABLE                                                                                \
	"the policy in force declares none of this name, or was published after this process had " \
	"the gate by fork"

/*
 * gate_tables.c: make the tables that an image names and the gate has not, and
 * give them to a program set; numbers[i] is that of the image's table i.  Then
 * either drop those that nobody names any more, or those that were made.
 */
int tg_gate_tables_make(struct tg_gate *gate, const void *rows, uint32_t *numbers);
int tg_gate_tables_install(struct tg_gate *gate, int outer);
void tg_gate_tables_settle(struct tg_gate *gate, bool published);
void tg_gate_tables_free(struct tg_gate *gate);

/* A table that is in force, by its name and kind, or NULL. */
struct tg_live *tg_gate_live(const struct tg_gate *gate, const char *name, enum tg_table_kind kind);

/* Write the tables' numbers into the rows of a copy of the image. */
void tg_gate_tables_stamp(const uint32_t *numbers, void *rows);

/*
 * gate_backends.c: the same of the backends' lists, which are made anew for each
 * image; tg_gate_tables_install() gives them, too.
 */
int tg_gate_blocks_make(struct tg_gate *gate, const void *rows, const struct tg_slot_table *slots);
const struct tg_table *tg_gate_blocks_made(struct tg_gate *gate); /* fd -1: none */
void tg_gate_blocks_settle(struct tg_gate *gate, bool published);

/* image_map.c */
int tg_image_map_make(const void *rows, size_t bytes, const struct tg_slot_table *table,
		      const uint32_t *tables, uint64_t generation, uint32_t capacity_rows, int *fd);
int tg_image_map_copy(int from, size_t bytes, uint32_t capacity_rows, int *fd);
int tg_image_map_install(int outer, int fd);

/* attach.c */
int tg_links_move(struct tg_gate *gate, const struct tg_program_set *from,
		  const struct tg_program_set *to);
int tg_links_add(struct tg_gate *gate, const struct tg_program_set *set, uint32_t hooks);
void tg_links_undo(struct tg_gate *gate);
void tg_links_drop(struct tg_gate *gate, uint32_t hooks);

/* gate_registry.c */
bool tg_name_release(struct tg_gate *gate);

/* ring.c */
int tg_ring_map(struct tg_ring *ring, int fd, size_t bytes);
void tg_ring_unmap(struct tg_ring *ring);

#endif
