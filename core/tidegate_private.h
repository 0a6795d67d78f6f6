/* SPDX-License-Identifier: MIT */
/*
 * tidegate_private.h - what the library offers to the Lua module of the same build, and to
 * nobody else.
 *
 * It is not installed, and may change with every build.  The module compares tg_private_abi()
 * with the number that it was built with, and refuses a library of another build.
 */
#ifndef TIDEGATE_PRIVATE_H
#define TIDEGATE_PRIVATE_H

#include "bpf/layout/event_record.h"
#include "tidegate.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* cdef { */

/** A hash of all declarations of this header and of tidegate.h, with their layouts. */
uint32_t tg_private_abi(void);

/* --- Texts -------------------------------------------------------------------------- */

/**
 * For what reader a text is written that others chose.  A byte that is not fit for it becomes
 * \xff, or what the language of that reader has for it.
 */
enum tg_escape {
	TG_ESCAPE_ASCII, /**< a terminal or a log: printable ASCII remains */
	TG_ESCAPE_UTF8,  /**< the same, but printable characters of UTF-8 remain too */
	TG_ESCAPE_LINES, /**< the same, of several lines: newlines and tabs remain too */
	TG_ESCAPE_JSON,  /**< inside a string of JSON */
	TG_ESCAPE_LUA,   /**< inside a string of Lua: it has the same bytes */
};

/** What a byte becomes has at most so many bytes. */
#define TG_ESCAPE_MOST 6u

/**
 * Escape bytes.  Returns the length of the text, which fits in TG_ESCAPE_MOST times `count`, and
 * one more for a NUL.
 */
size_t tg_escape(uint32_t escape, const char *bytes, size_t count, char *text, size_t size);

/* --- Forks -------------------------------------------------------------------------- */

/**
 * Restrict a shared gate in each process that is forked from this one while *`flag` is not 0, as by
 * tg_gate_restrict() with all rights, before fork() returns there.  For hosts whose children
 * change their user before any code of ours runs: others of that user could take what such a
 * child inherits in between.  `flag` must stay valid as long as this process.
 */
int tg_gate_restrict_children(struct tg_gate *gate, const int *flag);

/* --- Named ranges ------------------------------------------------------------------- */

/** The name of a built-in range of addresses, such as "private"; NULL: there is no such number. */
const char *tg_range_name(uint32_t range);

/**
 * What a range contains, one address or prefix after the other, and what that is.  *cursor is 0 at
 * first.  1: `*prefix` and `*what` are set; 0: there are no more.  "global" lists the special
 * blocks that it contains, which are only few of its addresses.
 */
int tg_range_next(uint32_t range, uint64_t *cursor, const char **prefix, const char **what);

/* --- Cgroups ------------------------------------------------------------------------ */

/** Like tg_cgroup_find(), for a gate to attach to: -EPERM as for tg_gate_attach(). */
int tg_target_find(const char *target, char *path, size_t size);

/**
 * A cgroup that this process makes for processes that it confines.  It ends with this process,
 * however that ends: a guard, which is a process of its own, then kills what is in it and removes
 * it.  If the guard is killed as well, the next tg_own_cgroup_make() does so.
 */
struct tg_own_cgroup;

/**
 * Make one below another cgroup.  Its name is new: tidegate- and 16 hexadecimal digits.  What
 * others have left behind there that were killed together with their guards is ended.
 */
int tg_own_cgroup_make(const char *parent, struct tg_own_cgroup **own);

/** Its folder. */
const char *tg_own_cgroup_path(const struct tg_own_cgroup *own);

/** A descriptor that polls readable when the guard has ended: then end the cgroup, too. */
int tg_own_cgroup_guard(const struct tg_own_cgroup *own);

/**
 * Kill what is still in it, remove it, end the guard, and free.  -EBUSY: a process did not end in
 * a second; then nothing is freed, and the guard goes on.
 */
int tg_own_cgroup_end(struct tg_own_cgroup *own);

/* --- The program that runs under a policy ----------------------------------------- */

#define TG_LAUNCH_AS_USER       1u /* it runs as `uid`, with `gid` and `groups` */
#define TG_LAUNCH_CONFINE       2u /* it cannot get more rights, and root cannot leave */
#define TG_LAUNCH_IGNORE_HANGUP 4u /* it ignores SIGHUP, as under nohup */

/* What failed. */
#define TG_LAUNCH_START        1
#define TG_LAUNCH_CGROUP       2 /* to enter it */
#define TG_LAUNCH_CONFINED     3
#define TG_LAUNCH_USER         4 /* to become it */
#define TG_LAUNCH_CAPABILITIES 5 /* to pass none on */
#define TG_LAUNCH_PROGRAM      6 /* to execute it */

struct tg_launch {
	const char *const *arguments;   /* the program first; NULL ends them */
	const char *const *environment; /* "NAME=VALUE"; NULL ends them; NULL: ours */
	const char *cgroup;             /* its folder */
	const uint32_t *groups;
	uint32_t group_count;
	uint32_t uid;
	uint32_t gid;
	uint32_t flags; /* TG_LAUNCH_* */
};

struct tg_launched {
	int32_t pid;
	int32_t pidfd; /* polls readable when it has ended */
	int32_t step;  /* if it was not started: TG_LAUNCH_*, what failed */
};

/**
 * Start a program in a cgroup.  It inherits no capabilities: it has those of its user, all or
 * none.  Returns when the program has been executed.
 */
int tg_launch(const struct tg_launch *launch, struct tg_launched *launched);

/** 1: it has ended, by itself with `*code`, or by the signal `*number`.  0: not yet. */
int tg_launched_ended(struct tg_launched *launched, int32_t *code, int32_t *number);

/* --- An image, read back ------------------------------------------------------------ */

/** The way back from an image to the rules that it was compiled from: what is in force. */
struct tg_dump;

/** The image must stay as long as the dump. */
int tg_dump_new(const struct tg_image *image, struct tg_dump **dump);
void tg_dump_free(struct tg_dump *dump);

/**
 * A rule as tg_policy_add_rule() takes it, without its lists and backends; its texts are valid
 * until the next call.  1: that is all of it.  0: the rule matches nothing, so the image does not
 * have what it does.  -ERANGE: there is no such rule; -EOPNOTSUPP: no text says what it does.
 */
int tg_dump_rule(struct tg_dump *dump, uint32_t index, struct tg_rule *rule);

/** Texts that are valid until the next call with the same dump. */
struct tg_dump_items {
	const char *const *at;
	uint32_t count;
};

/**
 * What the rule that was read last asks about a field that is no endpoint, as the items of its
 * list.  1; 0: nothing; 2: the items are numbers of files or cgroups, which no policy can have, but
 * which are equal for equal conditions; -EOPNOTSUPP: no items say it.
 */
int tg_dump_condition(struct tg_dump *dump, uint32_t field, struct tg_dump_items *items);

/** A product of a list of endpoints: see tg_list_add_product(). */
struct tg_dump_product {
	struct tg_dump_items addrs; /**< also live sets, and with a '!' what is left out */
	struct tg_dump_items ports; /**< none: all */
};

/**
 * Product number `index` of what that rule asks about TG_FIELD_ENDPOINT or TG_FIELD_SOURCE; after
 * those of addresses comes one of unix sockets.  1; 0: there are not so many.
 */
int tg_dump_product(struct tg_dump *dump, uint32_t field, uint32_t index,
		    struct tg_dump_product *product);

/** The backends of that rule, like tg_image_rule_backends(); none: it uses those of services. */
int tg_dump_backends(struct tg_dump *dump, struct tg_backend_info *backends, uint32_t capacity,
		     uint32_t *count);

/** A live table as a policy declares it: what tg_image_set_next() and the like do not say. */
struct tg_dump_table {
	const char *name; /**< valid as long as the image */
	uint32_t is_services;
	uint32_t is_sized; /**< the policy says its size */
};

/**
 * Walk the live tables of an image, sets and services, in the order of their declarations.
 * *cursor is 0 at first.  1: *table is set; 0: there are no more.
 */
int tg_dump_table_next(const struct tg_image *image, uint64_t *cursor, struct tg_dump_table *table);

/* --- Events in place ------------------------------------------------------------ */

/**
 * Get the records that are contiguous at the head of the ring, in place: `*count` of them, perhaps
 * 0.  They are valid until tg_ring_consume().
 */
int tg_ring_peek(struct tg_gate *gate, const struct tg_event_record **records, uint32_t *count);

/** Give the first `count` of these records, at most all of them, back to the kernel. */
void tg_ring_consume(struct tg_gate *gate, uint32_t count);

/** Like tg_event_format(); `rule`, `message`: of the rule, NULL if not known or if there is none.
 */
int tg_record_format(const struct tg_event_record *record, const char *rule, const char *message,
		     uint32_t format, char *text, size_t size);

/** The length of a thread's name; -1 less that if not all of it is printable ASCII. */
int tg_record_comm(const struct tg_event_record *record);

/* --- Event loops that cannot wait for a descriptor ------------------------------- */

/**
 * A thread that wakes an event loop which can wait for a connection that it made
 * itself, but not for a descriptor that it is given.
 */
struct tg_waker;

/**
 * Listen on a unix socket in a new folder in TMPDIR (default: /tmp), and write the
 * path of the socket to `path` (108 bytes are enough).  The loop connects once; the
 * file is then removed.  The loop gets a byte when there are events, and sends a byte
 * back when it has consumed them.  The gate must live as long as the waker.
 */
int tg_waker_start(const struct tg_gate *gate, char *path, size_t size, struct tg_waker **waker);

/** End the thread, close the connection and free.  In a forked child: only free. */
void tg_waker_stop(struct tg_waker *waker);

/* --- Signals of the command ----------------------------------------------------------- */

/**
 * From now on SIGINT, SIGTERM and SIGHUP, and SIGQUIT if it has a handler, are noted, and with
 * `pass`, passed on to the handlers that they had.  Returns a descriptor that polls readable when
 * one has come.  If they are not taken, because a C function runs and does not return, the process
 * ends: on the third SIGINT, or five seconds after another signal.  It then first writes "1" to
 * `kill`, the cgroup.kill of what must not go on without it; -1: there is none.
 */
int tg_signals_catch(int kill, int pass);

/** The number of the signal that has come; 0: none.  tg_signals_take() also forgets it. */
int tg_signals_seen(void);
int tg_signals_take(void);

/** Note the modes of the terminal now, for a process that ends in its signal handler. */
void tg_signals_terminal(int fd);

/* } cdef */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
