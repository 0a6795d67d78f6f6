/* SPDX-License-Identifier: MIT */
/*
 * tidegate.h - policies for the socket calls of cgroups.
 *
 *   tg_list   -> tg_policy -> tg_image -> tg_gate -> tg_event
 *   patterns     rules        compiled    running    what happened
 *
 * A policy is built in memory, compiled to an image, and enforced by a gate.
 * Only a gate needs privileges.
 *
 * Names.  `set` and `services` are nouns here, never verbs.  new and free: memory;
 * new, open and close: gates; find: a name to a handle that its owner keeps; add, put,
 * remove and replace: contents; next: a walk; info: a description.  A unit is in
 * the name (_ms, _ns, _bytes).  Ports are in host order; an address is 16 bytes in
 * network order, IPv4 as ::ffff:a.b.c.d; times are CLOCK_BOOTTIME of the machine, which
 * clock_gettime() shifts in a time namespace: see tg_unix_ns().
 *
 * Arguments come in this order: the object, what the call is about, options or
 * flags, results.  Results stay untouched if the call fails.  A result that nobody
 * wants may be NULL, and that never changes what the call does; only a handle, a text and
 * the *count of tg_gate_read_events() are always wanted.  An array may be NULL if its count or
 * capacity is 0.  Functions that free or close something ignore NULL.  The library copies the
 * strings that it is given.
 *
 * Functions return 0 or -errno.  A question or a walk returns 1 (yes; here is the
 * next one), 0 (no; there are no more) or -errno.  Nothing else is returned,
 * except by functions that only give a name or a number.
 *
 * Errors.  Their texts use the words of a policy file: errno, size, sticky, addr, port, where C
 * has error, capacity, sticky_ms, addrs, ports.  Every negative return sets the text that
 * tg_error() gives to the same thread, and nothing else changes that text.  It is "" at first. NULL
 * where something is needed is -EINVAL, with a text.  A runtime that moves its tasks between
 * threads calls a function and reads the text inside one C function.
 *
 * Structs.  Most start with `size`: set it to the sizeof of the struct.  In an array the
 * first element's size is that of all.  What you do not set must be zero.  The
 * library writes no member that the given size does not include.  A member that it does not
 * know is -E2BIG, unless it is zero.  Unknown bits of flags and
 * reserved members that are not zero are -EINVAL.
 *
 * Versions.  TG_ABI is the number in the name of the shared library.  Within a number,
 * functions are added, structs grow at their ends, and enums gain values (so
 * keep a default case); nothing else changes.  Before 1.0 a minor release may change the number.
 *
 * Threads.  The last line of each comment says who may call the function:
 *   any             any thread, at any time
 *   one at a time   one thread at a time for an object
 *   control         one thread at a time for a gate: the one that controls it
 *   reader          one thread at a time for a gate: the one that reads its events.  It may
 *                   be another one than the control thread.
 *
 * A function that frees or closes an object is the last one that is called with it.
 * The library starts threads only inside a call, and joins them before it returns.
 *
 * Forks.  A child holds what its parent held, until it calls tg_gate_restrict().  From then on
 * what belongs to control is -EPERM, and what belongs to the reader too, unless it kept
 * TG_MAY_EVENTS and has claimed the events.  A child that only should not keep a gate attached
 * calls tg_gate_detach(), which undoes the child's own hold of the links.  A child must not be
 * forked while another thread is inside a call.
 *
 * Time.  A call may take long (seconds) only if its comment says so.  All others are bounded.
 *
 * There are no callbacks: no hook for logs or for memory, and nothing to cancel a call.
 * Warnings are findings or results; tg_gate_wait() ends with -EINTR when a signal arrives, and a
 * host that has an event loop polls tg_gate_event_fd() instead.  The library prints
 * nothing.  What libbpf prints of the library's own work becomes part of the text of the error;
 * the host's print function for libbpf stays the host's, and hears what the host does with libbpf.
 */
#ifndef TIDEGATE_H
#define TIDEGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/layout/enums.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* cdef { */

/** The number in the name of the shared library, libtidegate.so.0. */
#define TG_ABI 0

/** The version of this header: 0xMMmmpp for MM.mm.pp. */
#define TG_VERSION_NUMBER 0x000100

/**
 * The TG_ABI that the library was built with.
 *
 * Threads: any.
 */
uint32_t tg_abi(void);

/**
 * The version of the library, "0.1.0".
 *
 * Threads: any.
 */
const char *tg_version(void);

/**
 * The text of the last failure on this thread: one or more lines, without a
 * newline at the end.  It contains the verifier's log if there is one.  "" if nothing
 * has failed yet.  Valid until the next failure on this thread.
 *
 * Threads: any.
 */
const char *tg_error(void);

/* --- Names ----------------------------------------------------------------- */

/**
 * "connect4" for TG_HOOK_CONNECT4; NULL if `hook` is not a hook.
 *
 * Threads: any.
 */
const char *tg_hook_name(uint32_t hook);

/**
 * "connect" for TG_OP_CONNECT; NULL if `op` is not an operation.
 *
 * Threads: any.
 */
const char *tg_op_name(uint32_t op);

/**
 * "deny" for TG_VERB_DENY; NULL if `verb` is not a verb, as TG_VERB_NONE is not.
 *
 * Threads: any.
 */
const char *tg_verb_name(uint32_t verb);

/**
 * "uid" for TG_FIELD_UID, as in a policy file; NULL if `field` is not a field.
 *
 * Threads: any.
 */
const char *tg_field_name(uint32_t field);

/**
 * "draining" for TG_BACKEND_DRAINING; NULL if `state` is not a state.
 *
 * Threads: any.
 */
const char *tg_backend_state_name(uint32_t state);

/**
 * "ECONNREFUSED" for 111; NULL if the number has no name.
 *
 * Threads: any.
 */
const char *tg_errno_name(uint32_t error);

/**
 * Nanoseconds since 1970 for a time of the machine's CLOCK_BOOTTIME, which the times of events
 * and of last hits are.  It is right in a time namespace, too.  The clocks are compared at each
 * call, and may drift 0.1 ms apart before the result follows: so the results for two times differ
 * by as much as the times.
 *
 * Threads: any.
 */
uint64_t tg_unix_ns(uint64_t boot_ns);

#define TG_ADDR_TEXT     46 /**< bytes that hold any address, with the NUL at its end */
#define TG_ENDPOINT_TEXT 54 /**< bytes that hold any address with a port */

/**
 * Write "1.2.3.4" or "::1"; a v4-mapped address as IPv4.  `addr` is in network order.  -ENOSPC:
 * `size` is below TG_ADDR_TEXT.
 *
 * Threads: any.
 */
int tg_addr_format(const uint8_t addr[16], char *text, size_t size);

/**
 * Write "1.2.3.4:80" or "[::1]:80".  `addr` is in network order, `port` in host order.  -ENOSPC:
 * `size` is below TG_ENDPOINT_TEXT; -EINVAL: `port` is over 65535.
 *
 * Threads: any.
 */
int tg_endpoint_format(const uint8_t addr[16], uint32_t port, char *text, size_t size);

/* --- Lists: patterns of one field ------------------------------------------ */

/** The fields of a call that a rule may test. */
enum tg_field {
	TG_FIELD_ENDPOINT, /**< "10.0.0.0/8:443", "unix:/run/x.sock", "unix:@name*" */
	TG_FIELD_PORT,     /**< "443", "8000-8999", "https" */
	TG_FIELD_PROTO,    /**< "tcp" (includes MPTCP), "mptcp" (only MPTCP), "udp", "17" */
	TG_FIELD_FAMILY,   /**< "inet", "inet6", "unix" */
	TG_FIELD_UID,      /**< "1000", "1000-1999", "www-data" */
	TG_FIELD_GID,
	TG_FIELD_PID,
	TG_FIELD_COMM,   /**< "curl", "ngin*" */
	TG_FIELD_TYPE,   /**< "stream", "dgram", "seqpacket", "raw" */
	TG_FIELD_MARK,   /**< the socket's mark: "16", "0x10-0x1f" */
	TG_FIELD_DEVICE, /**< the device that the socket is bound to: "eth0", "2", "none" */
	TG_FIELD_EXE,    /**< the task's executable: "/usr/bin/curl" */
	TG_FIELD_NETNS,  /**< the socket's network namespace: "/run/netns/x", "self", a cookie */
	TG_FIELD_CGROUP, /**< the task's cgroup or one above it: "/sys/fs/cgroup/app", "app",
			    "self", "pid:42", "unit:nginx.service" */
	TG_FIELD_SOURCE, /**< the socket's own address and port, or the datagram's: an endpoint */
	TG_FIELD_COUNT,
};

/**
 * A set of values of one field: the union of its items, minus the items that
 * start with '!'.  If every item starts with '!', it is all values minus those.
 * A list without items matches nothing.  Many rules and policies may use the same list.
 */
struct tg_list;

/**
 * The items of this list contain no names that must be looked up: names of hosts (a resolver is
 * asked), of services, users and groups (NSS is asked, which reads files of /etc or asks a server)
 * are -EINVAL.  Adding an item then never waits for another process.  What the kernel knows is
 * still found by its name: devices, paths of programs, network namespaces and cgroups; so are
 * protocols, families and socket types, and "@banned".
 */
#define TG_LIST_NUMERIC 1

/**
 * Make a list of one field, without items.  `flags`: TG_LIST_NUMERIC, or 0.
 *
 * Threads: one at a time.
 */
int tg_list_new(enum tg_field field, uint32_t flags, struct tg_list **list);

/**
 * Policies that used the list are not affected: they have copied what they need.
 *
 * Threads: one at a time.
 */
void tg_list_free(struct tg_list *list);

/**
 * Add one item, spelled as in a policy file.  Names of hosts, services, users,
 * groups and devices, and paths, are resolved now.  In a list of endpoints,
 * "@banned" is what the live set or the live services of this name contain at
 * the time of a call, "@banned:25" the same with one port, and "!@banned" leaves it
 * out.  "@private", "@metadata", "@loopback", "@linklocal", "@multicast" and "@global" are
 * built-in ranges of addresses, which docs/policy.md lists, and stand in the same way; so does
 * "@local", the addresses of this host: a live set "local" of the policy and of its gates, which
 * the library fills (see tg_gate_read_events()), and nobody else can change.
 * -EINVAL: not an item of this field; -ENOENT: the name is unknown.
 *
 * May take long: a name is looked up, unless the list has TG_LIST_NUMERIC.
 *
 * Threads: one at a time.
 */
int tg_list_add(struct tg_list *list, const char *item);

/**
 * Add the items of a file, one per line; '#' starts a comment.  A failure adds
 * none of them, and tg_error() names the file and the line.
 *
 * May take long: like tg_list_add(), for each line.
 *
 * Threads: one at a time.
 */
int tg_list_load(struct tg_list *list, const char *path);

/**
 * Add one item to a list of endpoints: every address of `addrs` (a list of TG_FIELD_ENDPOINT
 * without ports; NULL: any address) with every port of `ports` (a list of TG_FIELD_PORT; NULL:
 * any port).
 *
 * Threads: one at a time.
 */
int tg_list_add_product(struct tg_list *list, const struct tg_list *addrs,
			const struct tg_list *ports);

/* --- Policies --------------------------------------------------------------- */

/** An ordered list of rules, and the defaults for calls that no rule matches. */
struct tg_policy;

#define TG_RULE_NAME    255 /**< bytes that a rule's name has at most */
#define TG_RULE_MESSAGE 256 /**< bytes that a rule's message has at most */

/* Bits of tg_rule.flags. */
#define TG_RULE_REVEAL   1 /**< rewrite, balance: the program is shown the final address */
#define TG_RULE_LOW_PORT 2 /**< bind: a port below 1024 needs no CAP_NET_BIND_SERVICE */
#define TG_RULE_SHADOW   4 /**< count and log, but decide as if the rule were not there */

/** A rule without its conditions: tg_policy_add_match() adds these.  A text may be NULL. */
struct tg_rule {
	size_t size;             /**< sizeof(struct tg_rule) */
	uint32_t verb;           /**< enum tg_verb */
	uint32_t ops;            /**< bits, TG_BIT(enum tg_op) */
	const char *name;        /**< unique in the policy; NULL: "#n", n from 1 */
	const char *where;       /**< "web.lua:4", the start of its error messages */
	const char *text;        /**< the rule as its author wrote it */
	const char *error;       /**< deny: "ECONNREFUSED", "111"; NULL: EPERM.  balance: the errno
				    if no backend is up; NULL: EHOSTUNREACH */
	const char *to;          /**< rewrite: "127.0.0.1:80", "127.0.0.1", "*:80",
				    "unix:/run/x.sock"; a name means its first address */
	const char *bind_source; /**< connect: bind to this first, "127.0.0.1:22222" or "127.0.0.1";
				    sendmsg: send from this, "127.0.0.1" */
	const char *sockopt;     /**< connect, bind: "mark=0x10 congestion=bbr" */
	const char *log;         /**< "true", "false", "10/s", "1/100"; NULL: denials "100/s",
				    observe "true" */
	const char *over;        /**< "100/s", "100/s burst 200": match only what exceeds this rate;
				    NULL: all */
	const char *per;         /**< with over: a rate per "uid", "cgroup", "pid", "netns" or
				    "address"; NULL: per rule */
	const char *by;          /**< balance: "random" or "hash"; NULL: "random" */
	const char *key;         /**< with by "hash" or sticky: "socket", "pid", "uid", "cgroup",
				    "netns" or "destination"; NULL: "socket", but an error with
				    sticky */
	uint64_t sticky_ms;      /**< balance: how long a client (the calls of one key) stays with
				    its backend after its last call, at most 30 days; 0: not at
				    all */
	const char *message;     /**< for whoever reads the rule's events, at most TG_RULE_MESSAGE
				    bytes: "not from here" */
	uint32_t flags;          /**< TG_RULE_* */
	uint32_t reserved;       /**< 0 */
};

/**
 * Make a policy without rules, which allows everything.  `name` is the default of what the command
 * and the metrics call it; it may be NULL.
 *
 * Threads: any.
 */
int tg_policy_new(const char *name, struct tg_policy **policy);

/**
 * Images that were compiled from the policy are not affected.
 *
 * Threads: one at a time.
 */
void tg_policy_free(struct tg_policy *policy);

/**
 * What happens to a call of `ops` (bits: TG_BIT(TG_OP_CONNECT), not TG_OP_CONNECT) that no rule
 * matches; default: TG_VERB_ALLOW.
 * It applies to unix sockets only if some rule of the operation has unix: endpoints.  It
 * never refuses a bind to port 0: the kernel picks a port without one, too.
 * -EINVAL: `verb` is neither TG_VERB_ALLOW nor TG_VERB_DENY, or `ops` is no set of operations.
 *
 * Threads: one at a time.
 */
int tg_policy_default(struct tg_policy *policy, uint32_t ops, enum tg_verb verb);

/**
 * What a BPF program decides about a call of `ops` (bits) if it finds no usable image; default:
 * what tg_policy_default() says for the operation.  -EINVAL: as for tg_policy_default().
 *
 * Threads: one at a time.
 */
int tg_policy_on_error(struct tg_policy *policy, uint32_t ops, enum tg_verb verb);

/** Count and report what the rules and the defaults decide, but let every call proceed as it is. */
#define TG_POLICY_SHADOW 1

/**
 * Set the flags of the policy, TG_POLICY_*; at first it has none.  -EINVAL: a flag that does not
 * exist.
 *
 * Threads: one at a time.
 */
int tg_policy_flags(struct tg_policy *policy, uint32_t flags);

/**
 * Append a rule.  `*index` is its number, counted from 0; it may be NULL.  -EINVAL: the rule
 * contradicts itself, or a text in it is wrong; -EEXIST: the policy has a rule of that name.
 * The text of the failure has a line for each mistake in the rule.
 *
 * May take long: a name in `to` or `bind_source` is looked up.
 *
 * Threads: one at a time.
 */
int tg_policy_add_rule(struct tg_policy *policy, const struct tg_rule *rule, uint32_t *index);

/**
 * Add a condition to rule `index`: the value of the list's field must be in the
 * list.  All conditions of a rule must hold.  -EEXIST: the rule already has a
 * condition on this field; -ERANGE: the policy has no such rule.  The policy copies what it
 * needs of the list.
 *
 * Threads: one at a time.
 */
int tg_policy_add_match(struct tg_policy *policy, uint32_t index, const struct tg_list *list);

/**
 * Append a backend to balance rule `index`, which needs at least one: "10.0.1.5:8080", or
 * "10.0.1.5" to keep the call's port; a name means its first address.  The backend's share
 * is `weight` (1 to 65535) of the sum of all weights.  All backends of a rule must be of one
 * family.  -EINVAL: the rule does not balance, or the backend or its weight is wrong; -ERANGE:
 * the policy has no such rule.
 *
 * May take long: a name is looked up.
 *
 * Threads: one at a time.
 */
int tg_policy_add_backend(struct tg_policy *policy, uint32_t index, const char *backend,
			  uint32_t weight);

/** A time to live in ms: for ever. */
#define TG_TTL_FOREVER UINT64_MAX

/** The longest other time to live, in ms: 18 years of 365 days. */
#define TG_TTL_MAX UINT64_C(567648000000)

/**
 * A flag of live tables: processes that have restricted the gate may read the table, and may not
 * change it (-EPERM): they have its rows for reading only.
 */
#define TG_TABLE_READONLY 1

struct tg_set_options {
	size_t size;       /**< sizeof(struct tg_set_options) */
	uint64_t ttl_ms;   /**< how long elements live that say nothing; 0: for ever */
	uint32_t capacity; /**< how many elements it has room for; 0: 65,536, or twice its first
			      contents if that is more */
	uint32_t flags;    /**< TG_TABLE_READONLY */
};

/**
 * Declare a live set, which lists may name: addresses and prefixes of both
 * families that may change while the policy is in force.  Its name consists of
 * letters, digits, '_', '.' and '-'; names of built-in ranges are reserved:
 * private, metadata, loopback, linklocal, multicast, global, local.  `options` may
 * be NULL.  -EEXIST: the name is taken.
 *
 * Threads: one at a time.
 */
int tg_policy_declare_set(struct tg_policy *policy, const char *name,
			  const struct tg_set_options *options);

/** An element of a live set.  In an array, the first one's size counts for all. */
struct tg_set_entry {
	size_t size;      /**< sizeof(struct tg_set_entry) */
	const char *item; /**< "10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "*" */
	uint64_t ttl_ms;  /**< how long it lives; 0: as the set says; or TG_TTL_FOREVER */
};

/**
 * Add elements that the set has when a gate makes it: addresses and prefixes, never
 * names.  If one of them is wrong, or if the set has no room for all of them, none is
 * added.
 *
 * Threads: one at a time.
 */
int tg_policy_set_add(struct tg_policy *policy, const char *name,
		      const struct tg_set_entry *entries, size_t count);

/**
 * Like tg_policy_set_add(), for each line of a file.  `ttl_ms` is as in struct tg_set_entry.
 *
 * Threads: one at a time.
 */
int tg_policy_set_load(struct tg_policy *policy, const char *name, const char *path,
		       uint64_t ttl_ms);

/** A backend of live services.  In an array, the first one's size counts for all. */
struct tg_backend_spec {
	size_t size;         /**< sizeof(struct tg_backend_spec) */
	const char *address; /**< "10.0.1.5:8080"; "10.0.1.5" keeps the port of the call */
	uint32_t weight;     /**< 1 to 65535 */
	uint32_t state;      /**< enum tg_backend_state; 0: up */
};

struct tg_services_options {
	size_t size;       /**< sizeof(struct tg_services_options) */
	uint32_t capacity; /**< how many VIPs they have room for; 0: 1,024, or twice their first
			      contents if that is more */
	uint32_t flags;    /**< TG_TABLE_READONLY */
};

/**
 * Declare live services, which lists name like sets: a table of VIPs and their
 * backends.  A balance rule that names the services, and has no backends of its own,
 * sends a call for one of the VIPs to a backend of that VIP.  The name is as for
 * tg_policy_declare_set().  `options` may be NULL.  -EEXIST: the name is taken.
 *
 * Threads: one at a time.
 */
int tg_policy_declare_services(struct tg_policy *policy, const char *name,
			       const struct tg_services_options *options);

/**
 * Give a VIP the backends that it has when a gate makes the services, in place of those that
 * it was given before.  A VIP is "10.96.0.10:80/tcp"; with a star as its port it is for any port
 * of its protocol, and "10.96.0.10" is for any port of any protocol.  If several are for a call,
 * the one that says most is taken.  A backend without a port keeps the port that the call asks for.
 * Names are an error.
 *
 * Threads: one at a time.
 */
int tg_policy_services_put(struct tg_policy *policy, const char *name, const char *vip,
			   const struct tg_backend_spec *backends, size_t count);

/* --- Images ----------------------------------------------------------------- */

/** A compiled policy: one flat array, the same bytes in the kernel and in a file. */
struct tg_image;

/**
 * Compile a policy.  -EINVAL: a rule contradicts itself; -E2BIG: the policy exceeds
 * a limit.  The text names the rule.  Takes O(n log n) time for n patterns.
 *
 * Threads: one at a time.
 */
int tg_policy_compile(const struct tg_policy *policy, struct tg_image **image);

/**
 * Free an image that no other thread uses any more.
 *
 * Threads: any.
 */
void tg_image_free(struct tg_image *image);

/**
 * Read an image from a file.  -EINVAL: the file is not an image, or is damaged.
 *
 * Threads: any.
 */
int tg_image_load(const char *path, struct tg_image **image);

/**
 * Make an image from the bytes of one, which are copied: tg_image_bytes() of another process, or
 * the contents of a file.  They may come from anyone.  -EINVAL: they are not an image, or a
 * damaged one.
 *
 * Threads: any.
 */
int tg_image_parse(const void *bytes, size_t size, struct tg_image **image);

/**
 * Write an image to a file.  Another process never sees half of it.
 *
 * Threads: any.
 */
int tg_image_save(const struct tg_image *image, const char *path);

/**
 * The bytes of the image, valid as long as the image.  NULL: `image` is NULL.
 *
 * Threads: any.
 */
const void *tg_image_bytes(const struct tg_image *image, size_t *size);

/** What an image contains.  Strings are valid as long as the image. */
struct tg_image_info {
	size_t size;      /**< sizeof(struct tg_image_info) */
	const char *name; /**< of the policy; "" if it has none */
	uint64_t bytes;
	uint32_t rules;
	uint32_t hooks; /**< TG_BIT(enum tg_hook): the hooks that a gate attaches for it */
	/** By enum tg_op: the verb for calls that no rule matches; TG_VERB_NONE: no operation. */
	uint32_t defaults[TG_OP_MAX];
	/** By enum tg_op: the verb if a program finds no usable image. */
	uint32_t on_error[TG_OP_MAX];
	uint32_t flags;    /**< TG_POLICY_* */
	uint32_t reserved; /**< 0 */
};

/**
 * Describe an image.
 *
 * Threads: any.
 */
int tg_image_info(const struct tg_image *image, struct tg_image_info *info);

/** A rule in an image.  Strings are valid as long as the image. */
struct tg_rule_info {
	size_t size; /**< sizeof(struct tg_rule_info) */
	const char *name;
	const char *where;   /**< "" if not known */
	const char *text;    /**< "" if not known */
	const char *message; /**< "" if it has none */
	uint32_t verb;       /**< enum tg_verb */
	uint32_t ops;        /**< TG_BIT(enum tg_op) */
};

/**
 * Describe rule `index`, counted from 0.  -ERANGE: the image has no such rule.
 *
 * Threads: any.
 */
int tg_image_rule(const struct tg_image *image, uint32_t index, struct tg_rule_info *info);

/** A backend of a balance rule or of a service. */
struct tg_backend_info {
	size_t size;      /**< sizeof(struct tg_backend_info) */
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t port;    /**< host order; 0: the port of the call */
	uint32_t weight;
	uint32_t state; /**< enum tg_backend_state */
	uint32_t reserved;
	uint64_t picked; /**< how often it was picked since the gate first saw the rule's name; 0 in
			    an image */
};

/**
 * Read the backends of rule `rule`: the first `capacity` of them into `backends`, which may be NULL
 * if `capacity` is 0, and how many there are into *count.  A rule that does not balance, or
 * balances over live services, has none.  -ERANGE: the image has no such rule.
 *
 * Threads: any.
 */
int tg_image_rule_backends(const struct tg_image *image, uint32_t rule,
			   struct tg_backend_info *backends, uint32_t capacity, uint32_t *count);

struct tg_services_info {
	size_t size;       /**< sizeof(struct tg_services_info) */
	const char *name;  /**< valid as long as the table or the image */
	uint32_t capacity; /**< how many services it has room for */
	uint32_t count;    /**< how many it has; in an image: at first */
	uint64_t bytes;    /**< of kernel memory; 0 in an image */
	uint32_t flags;    /**< TG_TABLE_READONLY */
	uint32_t reserved;
};

struct tg_vip_info {
	size_t size;       /**< sizeof(struct tg_vip_info) */
	uint8_t addr[16];  /**< network order; IPv4 is v4-mapped */
	uint32_t port;     /**< host order; 0: any */
	uint32_t proto;    /**< IPPROTO_TCP (includes MPTCP) or IPPROTO_UDP; 0: any */
	uint32_t backends; /**< how many it has */
	uint32_t reserved;
};

#define TG_VIP_TEXT 58 /**< bytes that hold the text of any VIP */

/**
 * Write a VIP as tg_services_put() reads it: "10.96.0.10:80/tcp" or "[2001:db8::1]:53/udp"; with
 * port 0 there is a star in the port's place, with protocol 0 only the address.  -ENOSPC: `size` is
 * below TG_VIP_TEXT; -EINVAL: the port is over 65535, or a VIP with a port is not tcp or udp.
 *
 * Threads: any.
 */
int tg_vip_format(const struct tg_vip_info *vip, char *text, size_t size);

struct tg_set_info {
	size_t size;       /**< sizeof(struct tg_set_info) */
	const char *name;  /**< valid as long as the set or the image */
	uint32_t capacity; /**< how many elements it has room for */
	uint32_t count;    /**< how many it has; in an image: at first */
	uint64_t ttl_ms;   /**< of elements that say nothing; TG_TTL_FOREVER */
	uint64_t bytes;    /**< of kernel memory; 0 in an image */
	uint32_t flags;    /**< TG_TABLE_READONLY */
	uint32_t reserved;
	uint64_t refused; /**< elements that there was no room for, since the set was made */
};

struct tg_set_element {
	size_t size;      /**< sizeof(struct tg_set_element) */
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t length;  /**< of the prefix, in bits of its own family: at most 32 for IPv4 */
	uint32_t family;  /**< AF_INET or AF_INET6 */
	uint64_t ttl_ms;  /**< the time that is left, rounded up by at most 2 ms; TG_TTL_FOREVER */
};

/**
 * Walk the live sets that an image declares, in order.  `*cursor` starts at 0.  1: *info
 * describes the next set; 0: there are no more.
 *
 * Threads: any.
 */
int tg_image_set_next(const struct tg_image *image, uint64_t *cursor, struct tg_set_info *info);

/**
 * Walk the first elements of such a set, in order.  `*cursor` starts at 0.  1: *element is the
 * next element; 0: there are no more.  -ENOENT: the image declares no such set.
 *
 * Threads: any.
 */
int tg_image_element_next(const struct tg_image *image, const char *set, uint64_t *cursor,
			  struct tg_set_element *element);

/** Walk the live services that an image declares, like tg_image_set_next().  Threads: any. */
int tg_image_services_next(const struct tg_image *image, uint64_t *cursor,
			   struct tg_services_info *info);

/** Walk the first VIPs of such services, like tg_image_element_next().  Threads: any. */
int tg_image_vip_next(const struct tg_image *image, const char *services, uint64_t *cursor,
		      struct tg_vip_info *vip);

/**
 * Read the first backends of a VIP: `capacity` of them into `backends`, which may be NULL if
 * `capacity` is 0, and how many there are into *count.  1: success; 0: there is no such VIP.
 *
 * Threads: any.
 */
int tg_image_vip_backends(const struct tg_image *image, const char *services, const char *vip,
			  struct tg_backend_info *backends, uint32_t capacity, uint32_t *count);

/** Something that an image needs and this kernel does not have. */
struct tg_unsupported {
	size_t size;       /**< sizeof(struct tg_unsupported) */
	uint32_t rule;     /**< or TG_RULE_DEFAULT: no single rule is the cause */
	uint32_t reserved; /**< 0 */
	/** `web.lua:4: rewrite "x": needs …, which this kernel, Linux …, does not have; …` */
	char text[512];
};

/**
 * Walk what an image needs and this kernel does not have: one entry for each such rule, in the
 * order of the rules, and then perhaps one for the whole policy.  `*cursor` starts at 0.  1:
 * *unsupported is the next one; 0: there are no more; -EPERM: there may be more, but this process
 * may not ask the kernel.  The answers come from trying, not from the kernel's version; each
 * feature is tried once a process.
 *
 * May take long: it loads small programs.
 *
 * Threads: any.
 */
int tg_image_unsupported_next(const struct tg_image *image, uint64_t *cursor,
			      struct tg_unsupported *unsupported);

/* --- Questions: what an image decides about a call ---------------------------- */

/**
 * A call for the simulator to decide.  What is 0 is left open: a call by root, in the root cgroup,
 * with a socket that is not bound.
 */
struct tg_query {
	size_t size;      /**< sizeof(struct tg_query) */
	uint32_t op;      /**< enum tg_op */
	uint32_t family;  /**< of the socket: AF_INET, AF_INET6 or AF_UNIX; 0: the family of the
			     address */
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t port;    /**< host order */
	uint32_t proto;   /**< IPPROTO_*; 0: UDP for sendmsg and recvmsg, TCP for the others */
	uint32_t uid;
	uint32_t gid;
	uint32_t pid;
	uint32_t sock_type; /**< SOCK_*; 0: SOCK_STREAM for TCP and MPTCP, else SOCK_DGRAM */
	uint32_t mark;
	uint32_t device;      /**< index of the interface that the socket is bound to; 0: none */
	uint8_t source[16];   /**< the socket's own address, in the form of addr; all zero: not
				 bound */
	uint32_t source_port; /**< host order; 0: not bound */
	uint32_t path_bytes;
	uint8_t path[108];   /**< AF_UNIX: NUL-padded; an abstract name starts with a NUL */
	uint8_t comm[16];    /**< NUL-padded */
	uint32_t reserved;   /**< 0 */
	uint64_t exe_device; /**< packed like in the kernel: major << 20 | minor */
	uint64_t exe_inode;
	uint64_t netns; /**< cookie */
	/** The ids of the cgroups from the root down to the task's own; all zero: the root. */
	uint64_t cgroup[TG_CGROUP_DEPTH + 1];
};

/**
 * Set all members of a query except `size`, which the caller has set, to 0.
 *
 * Threads: any.
 */
int tg_query_init(struct tg_query *query);

/**
 * Set address, port and family of a query from "1.2.3.4:80", "[::1]:80" or
 * "name:https" (its first address); or path and family from "unix:/run/x.sock".
 *
 * May take long: a name is looked up.
 *
 * Threads: any.
 */
int tg_query_endpoint(struct tg_query *query, const char *endpoint);

/**
 * Set another field of a query from its text: "tcp", "www-data", "/usr/bin/curl".
 * A comm of more than 15 bytes is cut, as the kernel does.
 *
 * May take long: a name is looked up.
 *
 * Threads: any.
 */
int tg_query_field(struct tg_query *query, enum tg_field field, const char *text);

#define TG_DECISION_LOGS     1 /**< the rule emits events */
#define TG_DECISION_LOW_PORT 2 /**< bind: the port needs no CAP_NET_BIND_SERVICE */
/** balance: the choice is random or by the socket; addr and port are those that were asked for */
#define TG_DECISION_BY_CHANCE 4
/** The policy is a shadow: this is what it would do, but the call proceeds as it is. */
#define TG_DECISION_SHADOW 8
/** No hook sees such a call (SCTP, raw sockets): this is what the rules say, but it proceeds. */
#define TG_DECISION_UNSEEN 16

/** What happens to a call. */
struct tg_decision {
	size_t size;               /**< sizeof(struct tg_decision) */
	uint32_t rule;             /**< the rule that decides, or TG_RULE_DEFAULT */
	uint32_t verb;             /**< enum tg_verb */
	uint32_t error;            /**< the errno of a denial, or of a balance without a backend;
				      positive; else 0 */
	uint32_t flags;            /**< bits: TG_DECISION_* */
	uint8_t addr[16];          /**< final, network order, IPv4 is v4-mapped */
	uint8_t bind_source[16];   /**< the address that the socket is bound to first; all zero: it
				      is not bound */
	uint32_t port;             /**< final, host order */
	uint32_t bind_source_port; /**< host order; 0: any */
	uint32_t path_bytes;
	uint8_t path[108]; /**< AF_UNIX: final */
};

struct tg_gate;

/**
 * Decide a call like the kernel: the source of the BPF programs, run over this image.  The live
 * tables are those of `gate`, as they are now; or, for what the gate does not have, or if it is
 * NULL, those of the image, as its policy declares them.  The image need not be in force.
 * -EINVAL: no such call exists.
 *
 * Threads: any.
 */
int tg_image_decide(const struct tg_image *image, const struct tg_gate *gate,
		    const struct tg_query *query, struct tg_decision *decision);

/**
 * Walk the backends among which a call is balanced; a call that is not balanced has none.
 * `*cursor` starts at 0.  1: *backend is the next one; 0: there are no more.  `gate` as for
 * tg_image_decide().
 *
 * Threads: any.
 */
int tg_image_candidate_next(const struct tg_image *image, const struct tg_gate *gate,
			    const struct tg_query *query, uint64_t *cursor,
			    struct tg_backend_info *backend);

/** In `*fields` of tg_image_mismatch(): the rule is not for the operation. */
#define TG_MISMATCH_OP 0x80000000
/** In `*fields` of tg_image_mismatch(): the rule matches only what exceeds a rate. */
#define TG_MISMATCH_RATE 0x40000000

/**
 * Say why rule `index` does not match a query.  `*fields` gets TG_BIT(enum tg_field) for each field
 * that differs; or TG_MISMATCH_OP or TG_MISMATCH_RATE; or 0 if the rule matches.  If only the port
 * of the endpoint differs, TG_FIELD_PORT is set beside TG_FIELD_ENDPOINT.  `gate` as for
 * tg_image_decide().  -ERANGE: the image has no such rule.
 *
 * Threads: any.
 */
int tg_image_mismatch(const struct tg_image *image, const struct tg_gate *gate,
		      const struct tg_query *query, uint32_t index, uint32_t *fields);

/* --- Lint: what is odd about an image ------------------------------------------ */

/** What a finding is about. */
enum tg_finding_kind {
	TG_FINDING_NEVER,    /**< the rule, or one of its operations, can never match */
	TG_FINDING_LOOP,     /**< a rewrite whose target is rewritten back to where it began */
	TG_FINDING_DEFEATED, /**< a connected socket can send the datagrams that the rule denies */
	TG_FINDING_LOOPBACK, /**< a denial of all addresses, which includes those of this machine */
	TG_FINDING_SOURCE,   /**< a condition on the source, which sockets do not have yet */
	TG_FINDING_PORT, /**< a denial of a port to bind, which the kernel may pick all the same */
	TG_FINDING_UNSEEN,  /**< a rule for calls that no hook sees */
	TG_FINDING_PROBE,   /**< a rule that counts the connects of getaddrinfo(), too */
	TG_FINDING_ADDRESS, /**< an IPv6 address that was perhaps to be an address and a port */
	TG_FINDING_BIND,    /**< a default that refuses to bind to any port */
	TG_FINDING_NAME,    /**< a name of several addresses, where one is used */
	TG_FINDING_DEVICE,  /**< a network device in the effects, which this host does not have */
};

/** A part of a policy that compiles, but probably does not do what its author meant. */
struct tg_finding {
	size_t size;      /**< sizeof(struct tg_finding) */
	uint32_t kind;    /**< enum tg_finding_kind */
	uint32_t rule;    /**< or TG_RULE_DEFAULT */
	const char *text; /**< in the form of errors: `web.lua:4: deny "x": what; what to do` */
};

/** The findings about an image: at most one of a kind per rule, and no false ones. */
struct tg_lint;

/**
 * Look for findings.  The image must live as long as the result.
 *
 * May take long: about a second for the largest policies.
 *
 * Threads: any.
 */
int tg_lint_new(const struct tg_image *image, struct tg_lint **lint);

/**
 * Free the findings, and their texts.
 *
 * Threads: one at a time.
 */
void tg_lint_free(struct tg_lint *lint);

/**
 * Walk the findings, in the order of the rules.  `*cursor` starts at 0.  1: *finding is the next
 * one, and its text is valid as long as `lint`; 0: there are no more.
 *
 * Threads: one at a time.
 */
int tg_lint_next(const struct tg_lint *lint, uint64_t *cursor, struct tg_finding *finding);

/* --- Gates ------------------------------------------------------------------ */

/** A running instance: programs, maps, links, events. */
struct tg_gate;

struct tg_gate_options {
	size_t size;       /**< sizeof(struct tg_gate_options) */
	const char *share; /**< the name of the one gate that this process has by it; NULL: none */
	const char *pin;   /**< NULL: pinned gates are not supported yet */
	const char *bpffs; /**< NULL, as above */
	uint32_t ring_bytes; /**< size of the event ring, a power of two of whole pages; 0: 1 MiB.
				A gate that is shared already keeps the ring that it has */
	uint32_t flags;      /**< none yet: 0 */
};

/**
 * Make a gate.  It does not touch the kernel before tg_gate_publish().  `options` may be
 * NULL.
 *
 * With `share`, get the gate that this process knows by that name, and make it if there is
 * none.  Each call adds a holder, and tg_gate_close() removes one.  So a host that restarts
 * inside its process can take hold of its gate again before it closes the old handle.
 *
 * A process that is forked from this one has the gate as it is at that time: counters, tables
 * and events are shared, and it may do all that this one may, until it calls
 * tg_gate_restrict().  A child that should not keep the gate attached calls that, or
 * tg_gate_detach().
 *
 * -EOPNOTSUPP: `pin` or `bpffs` is not NULL.
 *
 * Threads: control.
 */
int tg_gate_new(const struct tg_gate_options *options, struct tg_gate **gate);

/**
 * Detach, unload and free.  If the gate is shared, the last holder's call does that.
 *
 * Threads: control.
 */
void tg_gate_close(struct tg_gate *gate);

/**
 * Enforce an image, in one atomic step: before it every call sees the old image
 * whole, after it every call sees the new one whole.  A failure changes nothing.
 * The gate loads the programs and makes the links that the image needs.  The image
 * may be freed afterwards.  `*generation` is the number of the image, which its events
 * carry.  -EPERM: needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.
 * -EOPNOTSUPP: the kernel does not have what the text names, see
 * tg_image_unsupported_next().
 *
 * May take long if the image needs other programs, which the kernel verifies.  It waits for
 * the calls that are being decided (some 20 ms) if programs or live tables come or go, or if
 * several images were published within a minute; else for nothing.
 *
 * Threads: control.
 */
int tg_gate_publish(struct tg_gate *gate, const struct tg_image *image, uint64_t *generation);

/** Detach from all other cgroups once the gate is attached to this one. */
#define TG_ATTACH_ONLY 1

/**
 * The gate stays in force there until the cgroup is removed or tg_gate_detach() detaches it.
 * Neither the end of this process nor tg_gate_close() ends that.  It is for a cgroup that the host
 * makes and removes itself, such as that of a command which it confines: no process holds the
 * attachment, so killing all processes of the host frees nothing that runs there.  -EINVAL for
 * the root of all cgroups, which is never removed.
 */
#define TG_ATTACH_UNTIL_REMOVED 2

/** What happens to sockets that processes of the cgroup have connected before. */
enum tg_existing {
	TG_EXISTING_LEAVE, /**< they go on */
	TG_EXISTING_LOG,   /**< not supported yet */
	TG_EXISTING_KILL,  /**< not supported yet */
};

struct tg_attach_options {
	size_t size;       /**< sizeof(struct tg_attach_options) */
	uint32_t flags;    /**< TG_ATTACH_* */
	uint32_t existing; /**< enum tg_existing */
};

enum tg_attachment_state {
	TG_ATTACHED, /**< every hook that the gate wants is in force there */
	TG_SEVERED,  /**< somebody has detached some of them: attach to the cgroup again */
	TG_GONE,     /**< the cgroup was removed; one that is made again by its name is another */
	TG_ATTACHMENT_UNKNOWN, /**< this process has restricted the gate: it sees at most that the
				  cgroup is there */
};

#define TG_PROCESSES_UNKNOWN 0xffffffff

/** A cgroup that a gate is attached to, and so also to all cgroups below it. */
struct tg_attachment {
	size_t size;        /**< sizeof(struct tg_attachment) */
	const char *path;   /**< its folder; valid until the next attach, detach or publish */
	uint64_t cgroup_id; /**< as in events */
	uint32_t processes; /**< in it and below it; TG_PROCESSES_UNKNOWN: cannot be seen */
	uint32_t state;     /**< enum tg_attachment_state */
	uint32_t hooks;     /**< bits, TG_BIT(enum tg_hook): those that the gate wants there */
	uint32_t effective; /**< bits: those that the kernel says are in force there; 0 if the state
			       is TG_ATTACHMENT_UNKNOWN, because the kernel was not asked */
};

/**
 * Attach to a cgroup, and so to all cgroups below it.  `target` names it as for
 * tg_cgroup_find(), but the root of all cgroups only by its path: -EPERM where "self" or
 * "pid:42" leads there.  A gate may be attached to several cgroups.  `options` may be NULL.
 *
 * A socket that is connected already stays connected, whatever the policy says.
 *
 * -EEXIST: the gate is attached there already, which TG_ATTACH_ONLY takes for success; but
 * TG_ATTACH_UNTIL_REMOVED wants that it was attached so.
 * -EINVAL: nothing was published yet.  -EPERM: this process may not attach, or the text names
 * the program of another owner that bars all others.
 *
 * May take long: with many hooks.
 *
 * Threads: control.
 */
int tg_gate_attach(struct tg_gate *gate, const char *target,
		   const struct tg_attach_options *options, struct tg_attachment *attached);

/**
 * Detach from a cgroup, or, if `target` is NULL, from all.  -ENOENT: the gate is not attached
 * there.  A process that inherited the gate by fork() only closes its own descriptors of the
 * links: the kernel undoes a link when no process holds it any longer.  What its parent has
 * attached with TG_ATTACH_UNTIL_REMOVED it leaves alone.
 *
 * Threads: control.
 */
int tg_gate_detach(struct tg_gate *gate, const char *target);

/**
 * Walk the cgroups that the gate is attached to, in the order in which it was attached.
 * `*cursor` starts at 0.  1: *attachment is the next one; 0: there are no more.  The kernel
 * is asked what is in force; a process without CAP_NET_ADMIN learns only whether its own links
 * are, and whether a cgroup with TG_ATTACH_UNTIL_REMOVED is there.  A process that has
 * restricted the gate learns of the cgroups that it was attached to then, whether they are there
 * and how many processes they have.
 *
 * Threads: control.
 */
int tg_gate_attachment_next(const struct tg_gate *gate, uint64_t *cursor,
			    struct tg_attachment *attachment);

/** What a process may still do with a gate after tg_gate_restrict(). */
#define TG_MAY_EVENTS 1 /**< read events, once it has claimed them */
#define TG_MAY_TABLES 2 /**< read and change sets and services */
#define TG_MAY_STATS  4 /**< read counters */

/**
 * Give up control of the gate in this process, and all but `may`.  It closes every descriptor of
 * a link, a program and a map.  What is left are mappings: counters, for reading only; the rows
 * of live tables; the event ring, of which only the page that says how far it was read can be
 * written.  tg_gate_event_fd() stays, because it can only be waited for.  What is in force stays in
 * force as long as another process holds it.  From now on, calls of the control thread are -EPERM,
 * and so are calls of the reader unless TG_MAY_EVENTS was kept and the process has claimed the
 * events; the gate can still be asked for its status, and be closed.  A further call can only take
 * away more.  If it fails, what it could not keep without a right to more is gone, and all else is
 * done.
 *
 * For workers that are forked from a privileged process: a child calls it before it runs what it
 * does not trust, before or after it changes its user.  A child that executes another program
 * passes on no descriptor and no mapping.
 *
 * Threads: control.
 */
int tg_gate_restrict(struct tg_gate *gate, uint32_t may);

struct tg_gate_status {
	size_t size;          /**< sizeof(struct tg_gate_status) */
	uint64_t generation;  /**< the number of the image in force; 0: none yet */
	uint64_t image_bytes; /**< the size of the image in force */
	uint32_t hooks;       /**< bits, TG_BIT(enum tg_hook): those that the gate attaches */
	uint32_t attachments; /**< how many there are: see tg_gate_attachment_next() */
};

/**
 * Describe the state of a gate, which may not have published anything yet.
 *
 * Threads: control.
 */
int tg_gate_status(const struct tg_gate *gate, struct tg_gate_status *status);

/**
 * What a rule did since the gate first saw its name.  It has no `size`, and never grows: it lies in
 * other structs and in arrays.
 */
struct tg_counters {
	uint64_t hits;
	uint64_t suppressed; /**< events that its log rate held back */
	uint64_t last_ns; /**< time of the last hit, CLOCK_BOOTTIME, at most a tick early; 0: no hit
			   */
	uint64_t reserved;
};

/**
 * Read the counters of rule `index` of the image in force; -ERANGE: it has no such rule.
 *
 * Threads: any.
 */
int tg_gate_rule_counters(const struct tg_gate *gate, uint32_t index, struct tg_counters *counters);

/** What happened to the calls of one hook since the first publish.  It never grows, either. */
struct tg_hook_counters {
	uint64_t calls;
	uint64_t denied;
	uint64_t rewritten; /**< rewritten, or shown the address that they had asked for before */
	uint64_t errors;    /**< got on_error, or an effect of their rule failed */
	uint64_t lost;      /**< events that found the ring full */
	uint64_t refused_before; /**< another program had refused them, and no rule denies them */
	uint64_t reserved[2];
};

struct tg_gate_stats {
	size_t size;    /**< sizeof(struct tg_gate_stats) */
	uint32_t rules; /**< of the image in force */
	uint32_t reserved;
	struct tg_counters defaults[TG_OP_MAX]; /**< by enum tg_op: calls that no rule matched */
	struct tg_hook_counters hooks[TG_HOOK_MAX]; /**< by enum tg_hook */
	uint64_t lost;                              /**< events that found the ring full */
	uint64_t errors;          /**< calls that got on_error, or an effect of their rule failed */
	uint64_t rates_evicted;   /**< buckets of rates that were dropped to make room for others */
	uint64_t clients_evicted; /**< sticky clients that were dropped to make room for others;
				     their next call may go to another backend */
};

/**
 * Read all counters at once: those of the first `capacity` rules into `rules`, which may be
 * NULL if `capacity` is 0, and the rest into `stats`.  -ENOENT: nothing was published yet.
 *
 * Threads: any.
 */
int tg_gate_stats(const struct tg_gate *gate, struct tg_counters *rules, uint32_t capacity,
		  struct tg_gate_stats *stats);

/**
 * Read the backends of balance rule `rule` of the image in force, with how often each was
 * picked: the first `capacity` of them into `backends`, which may be NULL if `capacity` is 0,
 * and how many there are into *count: 0 if it is no balance rule, or one over live services.
 * -ERANGE: there is no such rule.
 *
 * Threads: any.
 */
int tg_gate_rule_backends(const struct tg_gate *gate, uint32_t rule,
			  struct tg_backend_info *backends, uint32_t capacity, uint32_t *count);

/**
 * Walk the backends of all balance rules in force, in the order of the rules and of their lists.
 * `*cursor` starts at 0, and again at 0 after a publish.  1: *info is the next backend, of rule
 * *rule; 0: there are no more.  Backends of live services are not among them: see
 * tg_services_backends().
 *
 * Threads: any.
 */
int tg_gate_backend_next(const struct tg_gate *gate, uint64_t *cursor, uint32_t *rule,
			 struct tg_backend_info *info);

/**
 * End the sockets that this gate has connected to a backend ("10.0.1.5:8080", or "10.0.1.5" for
 * all its ports), in every network namespace: their owners get ECONNABORTED.  This ends TCP and
 * connected UDP sockets.  A socket that sends datagrams unconnected stays, because it would come
 * back with another port.  The backend is given by its address, never by a name.  *ended is how
 * many sockets were ended.  Needs the capabilities that loading needs, and CAP_SYS_ADMIN for other
 * namespaces.
 *
 * May take long: with many sockets, or while some are about to connect.
 *
 * Threads: control.
 */
int tg_gate_kill_sockets(struct tg_gate *gate, const char *backend, uint32_t *ended);

/* --- Events ------------------------------------------------------------------- */

/**
 * One decision.
 *
 * Unix sockets have paths instead of addresses and ports; an abstract name starts
 * with a NUL.
 */
struct tg_event {
	size_t size;         /**< sizeof(struct tg_event) */
	uint64_t time_ns;    /**< CLOCK_BOOTTIME: see tg_unix_ns() */
	uint64_t generation; /**< of the image that decided */
	uint64_t cgroup_id;  /**< of the calling task */
	uint64_t netns_cookie;
	uint64_t socket_cookie; /**< SO_COOKIE; with MPTCP that of the subflow, not of the socket
				   itself */
	uint32_t pid;           /**< of the process (tgid), in the initial pid namespace */
	uint32_t tid;
	uint32_t uid; /**< of the initial user namespace */
	uint32_t gid;
	uint32_t rule;       /**< its number in the policy, or TG_RULE_DEFAULT */
	uint32_t flags;      /**< bits of enum tg_event_flag */
	uint16_t hook;       /**< enum tg_hook */
	uint16_t verb;       /**< enum tg_verb */
	uint16_t family;     /**< of the hook, not of the address: AF_INET, AF_INET6 or AF_UNIX */
	uint16_t protocol;   /**< IPPROTO_* */
	uint16_t asked_port; /**< host order, as all ports */
	uint16_t final_port;
	uint16_t asked_path_bytes; /**< length of asked_path */
	uint16_t final_path_bytes;
	uint32_t error; /**< the errno of a denial, of a balance without a backend, or of what
			   failed (TG_EVENT_FAILED); positive */
	uint32_t reserved;
	uint8_t comm[16];        /**< of the calling thread, NUL-padded */
	uint8_t asked_addr[16];  /**< what the program asked for */
	uint8_t final_addr[16];  /**< where the call went; the same if nothing was rewritten */
	uint8_t asked_path[108]; /**< NUL-padded */
	uint8_t final_path[108];
};

/**
 * A descriptor that polls readable while there are events, and, if the policy names "@local", when
 * an address of this host has come or gone.  Then call tg_gate_read_events(), also if you want no
 * events.  It belongs to the gate: do not read it or close it.  It stays the same until the gate is
 * closed.  -ENOENT: nothing was published yet.
 *
 * Threads: any.
 */
int tg_gate_event_fd(const struct tg_gate *gate);

/**
 * Wait until tg_gate_event_fd() is readable, for at most `timeout_ms` (negative: without limit). 1:
 * it is: there are events, or addresses of "@local" have changed; 0: it is not.  -EINTR: a signal
 * arrived.
 *
 * Threads: reader.
 */
int tg_gate_wait(struct tg_gate *gate, int timeout_ms);

/**
 * Take the events that are waiting, at most `capacity` of them: copy them to `events`, and give
 * their room in the ring back.  *count is how many were taken, perhaps 0; it cannot be NULL.  Set
 * the size of events[0]; the others get the same.  Only one process may read a gate's events.
 *
 * Before that it follows the addresses of this host, for rules with "@local": those of the network
 * namespace of the calling thread, which must be the one where the gate was published.  A process
 * that has restricted the gate needs TG_MAY_TABLES for this, too.
 *
 * Threads: reader.
 */
int tg_gate_read_events(struct tg_gate *gate, struct tg_event *events, uint32_t capacity,
			uint32_t *count);

/**
 * The name of rule `index` of the image that has this generation: an event has both numbers, and
 * may have waited while other images were published.  NULL: the gate has no such generation, or
 * has forgotten it (it remembers the last eight images whose rules have other names), or the
 * image has no such rule.  Valid until the next call on this thread.
 *
 * Threads: any.
 */
const char *tg_gate_rule_name(const struct tg_gate *gate, uint64_t generation, uint32_t index);

/**
 * Likewise the message of a rule; NULL also if the rule has none.
 *
 * Threads: any.
 */
const char *tg_gate_rule_message(const struct tg_gate *gate, uint64_t generation, uint32_t index);

/** How tg_event_format() writes an event. */
enum tg_format {
	TG_FORMAT_TEXT, /**< a line for people: `deny    no-lan  connect 10.0.0.1:80  EPERM  …`; a
			   protocol other than tcp follows the port: `sendmsg 10.0.0.1:53/udp` */
	TG_FORMAT_JSON, /**< an object, with the same keys for every event, in the same order */
	TG_FORMAT_LOG,  /**< the line of TG_FORMAT_TEXT, with its time before it, to the
			   millisecond, in the local time zone: `2026-12-01T09:30:00.123+01:00 ` */
};

/** Room for any event in any format.  It never changes. */
#define TG_EVENT_TEXT 8192

/**
 * Write an event as text, without a newline at the end, as the Lua module and the command write
 * it.  Names and paths, which other programs choose, are escaped: the text is safe for a terminal
 * or valid JSON in UTF-8.  `format` is an enum tg_format.  `gate` may be NULL, or may have
 * forgotten the rule's name: then its number stands for it, "#1" for the first rule.
 * -ENOSPC: `size` is too small, and below TG_EVENT_TEXT.  What does not fit in TG_EVENT_TEXT is
 * cut at the end of a character.
 *
 * Threads: any.
 */
int tg_event_format(const struct tg_gate *gate, const struct tg_event *event, uint32_t format,
		    char *text, size_t size);

/* --- Live sets ---------------------------------------------------------------- */

/**
 * A live set of a gate: addresses and prefixes.  The next call sees a change.  Any
 * process that has the gate by fork() may change the set, whatever its privileges; a
 * process that dies half-way through a change leaves the set consistent.  The handle
 * belongs to the gate and is valid as long as the gate; its functions return -ENOENT
 * once the image in force does not declare the set any more, and -EPERM if this
 * process has restricted the gate without TG_MAY_TABLES.  Items are addresses and
 * prefixes, never names: no resolver is asked.
 *
 * A process that may change a set may also write anything to its memory.  Calls then find too
 * little, or fail, and tg_set_replace() mends it.  -EBUSY: another process has kept the set locked
 * for five seconds.
 */
struct tg_set;

/** -ENOENT: the image in force declares no set of this name.  Threads: any. */
int tg_gate_find_set(const struct tg_gate *gate, const char *name, struct tg_set **set);

/**
 * Add elements: all of them or none.  One that the set already has gets the new
 * time to live.  -ENOSPC: the set has no room for all of them.
 *
 * Threads: any.
 */
int tg_set_add(struct tg_set *set, const struct tg_set_entry *entries, size_t count);

/**
 * Replace all elements; with a count of 0, remove all.  A reader sees either the old elements or
 * the new ones, never a mixture.  -ENOSPC: there is no room for the new ones, and nothing has
 * changed.
 *
 * Threads: any.
 */
int tg_set_replace(struct tg_set *set, const struct tg_set_entry *entries, size_t count);

/** For tg_set_load(): replace all elements by those of the file. */
#define TG_SET_REPLACE 1

/**
 * Like tg_set_add(), or, with TG_SET_REPLACE in `flags`, like tg_set_replace(), with the
 * items of a file, one per line; '#' starts a comment.  `ttl_ms` is as in struct
 * tg_set_entry.
 *
 * Threads: any.
 */
int tg_set_load(struct tg_set *set, const char *path, uint64_t ttl_ms, uint32_t flags);

/**
 * Remove elements; *removed is how many of them the set had.  A prefix is one element:
 * elements inside it stay.  If an item is wrong, none is removed.
 *
 * Threads: any.
 */
int tg_set_remove(struct tg_set *set, const char *const *items, size_t count, uint32_t *removed);

/**
 * Find the element that contains an address: the address itself, or else the longest
 * prefix.  1: *element is that element; 0: the set does not contain the address.
 * -EBADMSG: the set's memory is damaged.
 *
 * Threads: any.
 */
int tg_set_find(const struct tg_set *set, const char *address, struct tg_set_element *element);

/**
 * Describe a live set.
 *
 * Threads: any.
 */
int tg_set_info(const struct tg_set *set, struct tg_set_info *info);

/**
 * Walk the elements, in no order.  `*cursor` starts at 0.  1: *element is the next element; 0:
 * there are no more.  An element that is added or removed meanwhile may or may not be returned.
 *
 * Threads: any.
 */
int tg_set_next(const struct tg_set *set, uint64_t *cursor, struct tg_set_element *element);

/* --- Live services ------------------------------------------------------------- */

/** Live services of a gate: VIPs and their backends.  What struct tg_set says applies to them too.
 */
struct tg_services;

/** -ENOENT: the image in force declares no services of this name.  Threads: any. */
int tg_gate_find_services(const struct tg_gate *gate, const char *name,
			  struct tg_services **services);

/**
 * For changes of services: end the sockets that this gate has connected from the VIP to a
 * backend that is no longer in its list, or is down in it, in every network namespace: see
 * tg_gate_kill_sockets().  *ended is how many.  -EPERM: this process may
 * not do that, and nothing has changed.  Any other failure reports sockets that could not be
 * ended; the list has changed by then.  Without this flag such sockets stay, and *ended is 0.
 */
#define TG_KILL_SOCKETS 1

/** For tg_services_put_backend(): a backend that is there already keeps its weight; its state. */
#define TG_KEEP_WEIGHT 2
#define TG_KEEP_STATE  4

/**
 * Replace the backends of a VIP; a call sees either the old list or the new one, whole.  If
 * the list is empty, or no backend in it is up, calls for the VIP fail.  -ENOSPC: there is no
 * room, and nothing has changed.
 *
 * May take long: TG_KILL_SOCKETS.
 *
 * Threads: any.
 */
int tg_services_put(struct tg_services *services, const char *vip,
		    const struct tg_backend_spec *backends, size_t count, uint32_t flags,
		    uint32_t *ended);

/**
 * Remove a VIP.  1: it was removed; 0: there was no such VIP.
 *
 * May take long: TG_KILL_SOCKETS.
 *
 * Threads: any.
 */
int tg_services_remove(struct tg_services *services, const char *vip, uint32_t flags,
		       uint32_t *ended);

/**
 * Add one backend to those of a VIP, or change the one that has this address; the others stay
 * as they are, whoever changes them at the same time.  A VIP that is not there is added.
 *
 * May take long: TG_KILL_SOCKETS.
 *
 * Threads: any.
 */
int tg_services_put_backend(struct tg_services *services, const char *vip,
			    const struct tg_backend_spec *backend, uint32_t flags, uint32_t *ended);

/**
 * Remove one backend of a VIP.  1: it was removed; 0: there was no such backend.  The VIP
 * stays, even without backends: then calls for it fail.
 *
 * May take long: TG_KILL_SOCKETS.
 *
 * Threads: any.
 */
int tg_services_remove_backend(struct tg_services *services, const char *vip, const char *address,
			       uint32_t flags, uint32_t *ended);

/**
 * Describe live services.
 *
 * Threads: any.
 */
int tg_services_info(const struct tg_services *services, struct tg_services_info *info);

/** Walk the VIPs, in no order, like tg_set_next() walks elements.  Threads: any. */
int tg_services_next(const struct tg_services *services, uint64_t *cursor, struct tg_vip_info *vip);

/**
 * Read the backends of a VIP as they are at one moment, with how often each was picked: the
 * first `capacity` of them into `backends`, which may be NULL if `capacity` is 0, and how many
 * there are into *count.  1: success; 0: there is no such VIP.
 *
 * Threads: any.
 */
int tg_services_backends(const struct tg_services *services, const char *vip,
			 struct tg_backend_info *backends, uint32_t capacity, uint32_t *count);

/* --- The reader of a gate's events, where several processes have the gate ------------- */

/**
 * Become the only process that reads the events of a gate, for as long as this process lives.
 * A process that inherited the gate by fork() does not inherit the claim.  1: this process is
 * the reader; 0: another one is.
 *
 * Threads: reader.
 */
int tg_gate_claim_events(struct tg_gate *gate);

/**
 * Stop being the reader, so that another process can become it.
 *
 * Threads: reader.
 */
int tg_gate_release_events(struct tg_gate *gate);

/* --- Cgroups and what this machine can do ------------------------------------ */

/**
 * Write where cgroup2 is mounted, possibly beside v1.  -ENOENT: it is not mounted;
 * -ENAMETOOLONG: the path does not fit.
 *
 * Threads: any.
 */
int tg_cgroup_root(char *path, size_t size);

/**
 * Write the folder of a cgroup that is named by its path ("/sys/fs/cgroup/app"), as "self" or
 * "pid:42", the cgroup of a process, or as "unit:nginx.service", that of a systemd unit.
 * -ENOENT: there is none; -ESRCH: there is no such process; -EINVAL: the path is no cgroup of
 * cgroup2; -ENOTUNIQ: several units have this name; -ENAMETOOLONG: the folder's path does not fit.
 *
 * Threads: any.
 */
int tg_cgroup_find(const char *target, char *path, size_t size);

enum tg_check_state { TG_CHECK_OK, TG_CHECK_WARN, TG_CHECK_FAIL };

/** One line of a diagnosis. */
struct tg_check {
	size_t size;       /**< sizeof(struct tg_check) */
	uint32_t state;    /**< enum tg_check_state */
	uint32_t reserved; /**< 0 */
	char name[32];     /**< "kernel", "BTF", "cgroup2" … */
	char found[320];   /**< what was found */
	char remedy[320];  /**< what to do about it; "" if nothing */
};

/**
 * Run the next check of what this machine, this user and this cgroup tree can do.  `*cursor`
 * starts at 0.  1: *check is its result; 0: there are no more checks.  It tries things on the
 * kernel, and leaves nothing behind.
 *
 * May take long: it loads small programs.
 *
 * Threads: any.
 */
int tg_doctor_next(uint64_t *cursor, struct tg_check *check);

/* } cdef */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
