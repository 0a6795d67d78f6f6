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
 * Functions return 0 or -errno; what they give comes through out-parameters,
 * which a failure leaves as they were.  tg_error() then has the text.  Objects
 * belong to the caller and are not locked: one thread at a time may use one.
 * The library starts no thread but tg_waker_start()'s, prints nothing, and copies
 * the strings that it is given.  Structs that start with `size` grow at the end:
 * set it to sizeof.
 */
#ifndef TIDEGATE_H
#define TIDEGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/layout/event.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* public { */

/** Changes whenever a declaration of this header does in a way that breaks its users. */
#define TG_ABI 1

/** The TG_ABI that the library was built with. */
uint32_t tg_abi(void);

/** "0.1.0" */
const char *tg_version(void);

/**
 * Text of the last failure on this thread: one line or more, without a newline
 * at its end; the verifier's log is part of it where there is one.  Valid until
 * the next failure on this thread.
 */
const char *tg_error(void);

/* --- Words ----------------------------------------------------------------- */

/** "connect4" for TG_HOOK_CONNECT4, NULL for what is not a hook. */
const char *tg_hook_name(int hook);

/** "connect" for TG_OP_CONNECT, NULL for what is not an operation. */
const char *tg_op_name(int op);

/** "ECONNREFUSED" for 111, NULL for a number without a name. */
const char *tg_errno_name(int error);

/* --- Lists: patterns of one field ------------------------------------------ */

/** What a rule may ask about a call. */
enum tg_field {
	TG_FIELD_ENDPOINT, /**< "10.0.0.0/8:443", "unix:/run/x.sock", "unix:@name*" */
	TG_FIELD_PORT,     /**< "443", "8000-8999", "https" */
	TG_FIELD_PROTO,    /**< "tcp" (MPTCP too), "mptcp" (only it), "udp", "17" */
	TG_FIELD_FAMILY,   /**< "inet", "inet6", "unix" */
	TG_FIELD_UID,      /**< "1000", "1000-1999", "www-data" */
	TG_FIELD_GID,
	TG_FIELD_PID,
	TG_FIELD_COMM,   /**< "curl", "ngin*" */
	TG_FIELD_TYPE,   /**< "stream", "dgram", "seqpacket", "raw" */
	TG_FIELD_MARK,   /**< of the socket: "16", "0x10-0x1f" */
	TG_FIELD_DEVICE, /**< that the socket is bound to: "eth0", "2", "none" */
	TG_FIELD_EXE,    /**< the task's executable: "/usr/bin/curl" */
	TG_FIELD_NETNS,  /**< of the socket: "/run/netns/x", "self", a cookie */
	TG_FIELD_CGROUP, /**< of the task, and those below: "/sys/fs/cgroup/app", "app" */
	TG_FIELD_FROM,   /**< the socket's own address and port, or a datagram's: an endpoint */
	TG_FIELDS,
};

/**
 * The values of one field that a rule means: a union of items, less those
 * that start with '!' (all values less those, where every item does).
 * A list may stand in many rules and policies.
 */
struct tg_list;

int tg_list_new(enum tg_field field, struct tg_list **list);

/** The policies that use the list keep what they need of it. */
void tg_list_free(struct tg_list *list);

/**
 * Add one item, as a policy file spells it.  Names of hosts, services, users,
 * groups and devices, and paths, are resolved now.  -EINVAL: not an item of this
 * field; -ENOENT: a name that nobody knows.
 */
int tg_list_add(struct tg_list *list, const char *item);

/**
 * Add the items of a file, one a line; '#' starts a comment.  All of them or,
 * on failure, none.  tg_error() names file and line.
 */
int tg_list_load(struct tg_list *list, const char *path);

/**
 * Add one item to a list of endpoints: every address of `addrs` (endpoints
 * without ports; NULL: any) with every port of `ports` (NULL: any).
 */
int tg_list_add_product(struct tg_list *list, const struct tg_list *addrs,
			const struct tg_list *ports);

/**
 * Add the addresses of a live set, which a policy declares by this name; `negated`:
 * all but those.  Only to a list of endpoints.
 */
int tg_list_add_set(struct tg_list *list, const char *name, bool negated);

/* --- Policies --------------------------------------------------------------- */

/** An ordered list of rules, and what happens where none matches. */
struct tg_policy;

/** A rule without its conditions, which are added with tg_policy_match(). */
struct tg_rule {
	size_t size;       /**< sizeof(struct tg_rule) */
	uint32_t verb;     /**< enum tg_verb */
	uint32_t ops;      /**< bits, 1 << enum tg_op */
	const char *name;  /**< unique in the policy; NULL: "#n", n from 1 */
	const char *where; /**< "web.lua:4", starts its error messages; may be NULL */
	const char *text;  /**< the rule as its author wrote it; may be NULL */
	const char *error; /**< deny: "ECONNREFUSED", "111"; NULL: EPERM.  balance: where no backend
			      is up; NULL: EHOSTUNREACH */
	const char *to; /**< rewrite: "127.0.0.1:80", "127.0.0.1", "*:80", "unix:/run/x.sock"; of a
			   name, its first address */
	const char *source; /**< connect: bind to this first, "127.0.0.1:22222" or "127.0.0.1";
			       sendmsg: send from it, "127.0.0.1"; may be NULL */
	const char *
		log; /**< "true", "false", "10/s", "1/100"; NULL: denials "100/s", observe "true" */
	bool reveal; /**< rewrite, balance: the program is shown the final address */
	bool privileged;  /**< bind: a port below 1024 needs no CAP_NET_BIND_SERVICE */
	bool shadow;      /**< count and tell, and decide as if the rule were not there */
	const char *over; /**< "100/s", "100/s burst 200": match only what exceeds it; NULL: all */
	const char *per;  /**< with over: "uid", "cgroup", "pid", "dst"; NULL: of the whole rule */
	const char *set;  /**< connect, bind: "mark=0x10 congestion=bbr"; may be NULL */
	const char *by;   /**< balance: "random" or "hash"; NULL: "random" */
	const char *key;  /**< by "hash", and of sticky: "socket", "pid", "uid", "cgroup", "netns",
			     "destination"; NULL: "socket", and of sticky an error */
	uint64_t sticky_ms; /**< balance: for how long after its last call a client, calls of one
			       key, stays with its backend, 30 days at most; 0: not at all */
};

/** `name` may be NULL. */
int tg_policy_new(const char *name, struct tg_policy **policy);
void tg_policy_free(struct tg_policy *policy);

/**
 * What becomes of a call of `ops` (bits) that no rule matches.  TG_VERB_ALLOW at first.
 * Of unix sockets only where some rule of the operation has unix: endpoints.
 */
int tg_policy_default(struct tg_policy *policy, uint32_t ops, enum tg_verb verb);

/** What a program returns where it finds no usable image.  TG_VERB_ALLOW at first. */
int tg_policy_on_error(struct tg_policy *policy, enum tg_verb verb);

/** Append a rule; `*index` counts from 0. */
int tg_policy_add(struct tg_policy *policy, const struct tg_rule *rule, uint32_t *index);

/**
 * Add a condition to rule `index`: the field's value is in the list.  All
 * conditions of a rule must hold, and a field takes one (-EEXIST).
 */
int tg_policy_match(struct tg_policy *policy, uint32_t index, const struct tg_list *list);

/**
 * Append a backend to balance rule `index`, which has at least one: "10.0.1.5:8080", or
 * "10.0.1.5", and the port stays; of a name, its first address.  It gets `weight` (1 to
 * 65535) of the sum of all weights.  Those of a rule are of one family.
 */
int tg_policy_backend(struct tg_policy *policy, uint32_t index, const char *backend,
		      uint32_t weight);

/** In place of a time to live in ms: the set's own. */
#define TG_TTL_DEFAULT 0xffffffff

/**
 * Declare a live set, which lists may name: addresses and prefixes of both
 * families that change while the policy is in force.  It has room for `size`
 * elements (0: for 65,536, or twice what it holds at first); elements live for
 * `ttl_ms` (0: for ever).
 */
int tg_policy_set(struct tg_policy *policy, const char *name, uint32_t size, uint64_t ttl_ms);

/**
 * What a set holds when a gate makes it: "10.0.0.1", "10.0.0.0/8", "2001:db8::/32",
 * a name (its addresses).
 */
int tg_policy_set_add(struct tg_policy *policy, const char *name, const char *item,
		      uint64_t ttl_ms);

/** The same from a file, one a line. */
int tg_policy_set_load(struct tg_policy *policy, const char *name, const char *path);

/** A backend, as a live service is given it. */
struct tg_backend_spec {
	const char *address; /**< "10.0.1.5:8080"; "10.0.1.5": at the port of the service */
	uint32_t weight;     /**< 1 to 65535 */
	uint32_t state;      /**< enum tg_backend_state */
};

/**
 * Declare live services, which lists name as they name sets: a table of VIPs
 * and their backends, with room for `size` of them (0: for 1,024, or twice
 * what it holds at first).  A balance rule without backends of its own leads
 * a call for one of its VIPs to the VIP's.
 */
int tg_policy_services(struct tg_policy *policy, const char *name, uint32_t size);

/** A service that they hold when a gate makes them: "10.96.0.10:80/tcp" and its backends. */
int tg_policy_service(struct tg_policy *policy, const char *name, const char *vip,
		      const struct tg_backend_spec *backends, size_t count);

/* --- Images ----------------------------------------------------------------- */

/** A compiled policy: one flat array, the same bytes in the kernel and in a file. */
struct tg_image;

/**
 * -EINVAL: the rules contradict themselves, -E2BIG: a limit was passed; the
 * text names the rule.  Takes n log n in the number of patterns.
 */
int tg_policy_compile(const struct tg_policy *policy, struct tg_image **image);

void tg_image_free(struct tg_image *image);

/** -EINVAL: not an image, or a damaged one. */
int tg_image_load(const char *path, struct tg_image **image);
int tg_image_save(const struct tg_image *image, const char *path);

/** 0 if `bytes` are an image that can be walked and whose checksum is right. */
int tg_image_verify(const void *bytes, size_t size);

/** The image as it is; valid as long as it. */
const void *tg_image_bytes(const struct tg_image *image, size_t *size);

/** What an image says of itself.  Strings are valid as long as the image. */
struct tg_image_info {
	size_t size; /**< sizeof(struct tg_image_info) */
	size_t bytes;
	uint32_t rules;
	uint32_t hooks;            /**< bits, 1 << enum tg_hook: what a gate attaches for it */
	const char *name;          /**< of the policy, "" if it has none */
	uint32_t on_error;         /**< enum tg_verb */
	uint32_t defaults[TG_OPS]; /**< enum tg_verb of what no rule matches, by enum tg_op */
};

int tg_image_info(const struct tg_image *image, struct tg_image_info *info);

/** A rule as an image remembers it.  Strings are valid as long as the image. */
struct tg_rule_info {
	size_t size; /**< sizeof(struct tg_rule_info) */
	const char *name;
	const char *where; /**< "" if not known */
	const char *text;  /**< "" if not known */
	uint32_t verb;     /**< enum tg_verb */
	uint32_t ops;      /**< bits, 1 << enum tg_op */
	uint32_t slot;     /**< of its counters in the gate that the image came from or went to */
};

/** -ERANGE: the image has no rule `index`. */
int tg_image_rule(const struct tg_image *image, uint32_t index, struct tg_rule_info *info);

/** Where a balance may lead. */
struct tg_backend_info {
	size_t size;      /**< sizeof(struct tg_backend_info) */
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t port;    /**< host order; 0: that of the call */
	uint32_t weight;
	uint32_t state;  /**< enum tg_backend_state */
	uint64_t picked; /**< times, since the gate knows the rule's name; 0 in an image */
};

/** Backend `index` of balance rule `rule`; -ERANGE past the last. */
int tg_image_backend(const struct tg_image *image, uint32_t rule, uint32_t index,
		     struct tg_backend_info *info);

struct tg_services_info {
	size_t size;      /**< sizeof(struct tg_services_info) */
	const char *name; /**< valid as long as the table, or the image */
	uint32_t room;    /**< services that it can hold */
	uint32_t count;   /**< that it holds; in an image: at first */
	uint64_t bytes;   /**< of memory in the kernel; 0 in an image */
};

struct tg_vip_info {
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t port;    /**< host order */
	uint32_t proto;   /**< IPPROTO_TCP (MPTCP too) or IPPROTO_UDP */
	uint32_t backends;
};

struct tg_set_info {
	size_t size;      /**< sizeof(struct tg_set_info) */
	const char *name; /**< valid as long as the set, or the image */
	uint32_t room;    /**< elements that it can hold */
	uint32_t count;   /**< that it holds; in an image: at first */
	uint64_t ttl_ms;  /**< of elements without one of their own; 0: for ever */
	uint64_t bytes;   /**< of memory in the kernel; 0 in an image */
};

struct tg_set_element {
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t length;  /**< of the prefix, in its own family: of IPv4 at most 32 */
	bool is4;
	uint64_t ttl_ms; /**< what is left; 0: for ever */
};

/** Live set `index` that an image declares; -ERANGE past the last. */
int tg_image_set(const struct tg_image *image, uint32_t index, struct tg_set_info *info);

/** Its elements, in order: `*cursor` from 0 on.  1: *element is one; 0: there are no more. */
int tg_image_set_next(const struct tg_image *image, uint32_t index, uint64_t *cursor,
		      struct tg_set_element *element);

/** Live services `index` that an image declares; -ERANGE past the last. */
int tg_image_services(const struct tg_image *image, uint32_t index, struct tg_services_info *info);

/** Its services, in order: `*cursor` from 0 on.  1: *vip is one; 0: there are no more. */
int tg_image_service_next(const struct tg_image *image, uint32_t index, uint64_t *cursor,
			  struct tg_vip_info *vip);

/** Backend `number` of the service that *cursor has just passed; -ERANGE past the last. */
int tg_image_service_backend(const struct tg_image *image, uint32_t index, uint64_t cursor,
			     uint32_t number, struct tg_backend_info *info);

/** A call, as the simulator is asked about it. */
struct tg_query {
	size_t size;      /**< sizeof(struct tg_query) */
	uint32_t op;      /**< enum tg_op */
	uint32_t family;  /**< AF_INET, AF_INET6 or AF_UNIX: of the socket; 0: of the address */
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t port;    /**< host order */
	uint32_t proto;   /**< IPPROTO_* */
	uint32_t uid;
	uint32_t gid;
	uint32_t pid;
	uint8_t comm[16];  /**< NUL-padded */
	uint8_t path[108]; /**< AF_UNIX: NUL-padded; an abstract name starts with a NUL */
	uint32_t path_bytes;
	uint32_t type; /**< SOCK_*; 0: SOCK_STREAM for TCP and MPTCP, else SOCK_DGRAM */
	uint32_t mark;
	uint32_t device;     /**< number of the interface that the socket is bound to; 0: none */
	uint32_t from_port;  /**< host order; 0: not bound */
	uint8_t from[16];    /**< as addr; all zero: not bound */
	uint64_t exe_device; /**< as the kernel packs it: major << 20 | minor */
	uint64_t exe_inode;
	uint64_t netns; /**< cookie */
	/** Ids of the task's cgroup and those above, the root's first; all zero: the root. */
	uint64_t cgroup[TG_CGROUP_DEPTH + 1];
};

/**
 * Set address, port and family of a query from "1.2.3.4:80", "[::1]:80" or
 * "name:https" (its first address); or path and family from "unix:/run/x.sock".
 */
int tg_query_endpoint(struct tg_query *query, const char *endpoint);

/**
 * Set another field of a query from its text: "tcp", "www-data", "/usr/bin/curl";
 * a long comm is cut, as the kernel does.
 */
int tg_query_set(struct tg_query *query, enum tg_field field, const char *text);

/** What becomes of a call. */
struct tg_decision {
	size_t size;          /**< sizeof(struct tg_decision) */
	uint32_t rule;        /**< or TG_RULE_DEFAULT */
	uint32_t verb;        /**< enum tg_verb */
	uint32_t error;       /**< deny, balance without backend: the errno, positive */
	uint32_t port;        /**< final, host order */
	uint8_t addr[16];     /**< final, network order, IPv4 is v4-mapped */
	uint32_t source_port; /**< host order; 0: any */
	uint8_t source[16];   /**< where the socket is bound first; all zero: not */
	bool logs;            /**< the rule emits events */
	uint8_t path[108];    /**< AF_UNIX: final */
	uint32_t path_bytes;
	bool privileged; /**< bind: the port needs no CAP_NET_BIND_SERVICE */
	bool open; /**< balance: chance or the socket decides which backend; addr and port are as
		      asked */
};

/** Decide as the kernel would: the programs' own source, run over this image. */
int tg_image_decide(const struct tg_image *image, const struct tg_query *query,
		    struct tg_decision *decision);

/**
 * Backend `index` of those that a call is balanced over; -ERANGE past the last, or where the call
 * is not balanced.
 */
int tg_image_choice(const struct tg_image *image, const struct tg_query *query, uint32_t index,
		    struct tg_backend_info *info);

/**
 * Why rule `index` does not match a query: `*fields` gets a bit, 1 << enum
 * tg_field, for each field that keeps it from matching; TG_MISMATCH_OP where
 * the rule is not for the operation, TG_MISMATCH_RATE where it matches only what
 * exceeds a rate; 0 where it matches.  For TG_FIELD_ENDPOINT
 * TG_FIELD_PORT is set beside it where only the port differs.
 */
#define TG_MISMATCH_OP   0x80000000
#define TG_MISMATCH_RATE 0x40000000
int tg_image_mismatch(const struct tg_image *image, const struct tg_query *query, uint32_t index,
		      uint32_t *fields);

/** What a finding is about. */
enum tg_finding_kind {
	TG_FINDING_NEVER,    /**< the rule, or one of its operations, can never match */
	TG_FINDING_LOOP,     /**< a rewrite whose target is rewritten again, to where it began */
	TG_FINDING_DEFEATED, /**< datagrams that the rule denies get there by a connected socket */
	TG_FINDING_LOOPBACK, /**< a denial of all addresses, those of this machine among them */
};

/** Something about a policy that compiles, but hardly does what was meant. */
struct tg_finding {
	size_t size;      /**< sizeof(struct tg_finding) */
	uint32_t kind;    /**< enum tg_finding_kind */
	uint32_t rule;    /**< or TG_RULE_DEFAULT */
	const char *text; /**< as errors read: `web.lua:4: deny "x": what; what to do` */
};

/** The findings about an image: at most one of a kind a rule, none of them false. */
struct tg_lint;

/** Look for them.  The image must stay as long as the findings. */
int tg_lint_new(const struct tg_image *image, struct tg_lint **lint);

/**
 * Finding `index`, from 0, in the order of the rules; -ERANGE past the last.  The
 * text lives as long as `lint`.
 */
int tg_lint_finding(const struct tg_lint *lint, uint32_t index, struct tg_finding *finding);

void tg_lint_free(struct tg_lint *lint);

/** Write "1.2.3.4", "::1"; a v4-mapped address as IPv4. -ENOSPC: `size` is below 46. */
int tg_addr_format(const uint8_t addr[16], char *text, size_t size);

/* --- Gates ------------------------------------------------------------------ */

/** A running instance: programs, maps, links, events. */
struct tg_gate;

struct tg_gate_options {
	size_t size;         /**< sizeof(struct tg_gate_options) */
	uint32_t ring_bytes; /**< of the event ring, a power of two and whole pages; 0: 1 MiB */
};

/** Nothing touches the kernel before tg_gate_publish().  `options` may be NULL. */
int tg_gate_open(const struct tg_gate_options *options, struct tg_gate **gate);

/** Detach, unload, free; of a gate that has a name, when its last holder does so. */
void tg_gate_close(struct tg_gate *gate);

/**
 * Enforce an image: one atomic step, after which every call sees it whole, and
 * before which every call sees the one before.  On failure nothing has changed.
 * Programs are loaded, and links made, as the image needs them.  The image may
 * be freed.  -EPERM: needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.  -EOPNOTSUPP:
 * the kernel lacks what the text says, as tg_image_lack() does.
 */
int tg_gate_publish(struct tg_gate *gate, const struct tg_image *image);

/**
 * Attach to a cgroup, a folder of a cgroup2 file system, and to what is below
 * it.  A gate may be attached to several.  -EEXIST: it is to this one already.
 */
int tg_gate_attach(struct tg_gate *gate, const char *cgroup);

/** Be attached to this cgroup and to no other: there first, unless it is already. */
int tg_gate_move(struct tg_gate *gate, const char *cgroup);

/**
 * Detach from every cgroup.  A process that has inherited the gate by fork()
 * only lets go of what it has of the links; the kernel undoes a link when no
 * process holds it any longer.
 */
int tg_gate_detach(struct tg_gate *gate);

/** What a rule needs and this kernel does not have. */
struct tg_lack {
	size_t size;    /**< sizeof(struct tg_lack) */
	uint32_t rule;  /**< or TG_RULE_DEFAULT: what no single rule is the cause of */
	char text[512]; /**< `web.lua:4: rewrite "x": needs what, which … lacks; who has it` */
};

/**
 * The first rule from number `from` on that needs what this kernel does not
 * have.  -ERANGE: none does, or this process may not ask the kernel.  What no
 * rule is the cause of comes with `from` 0.  Found by trying, not by the
 * kernel's version, each thing once a process.
 */
int tg_image_lack(const struct tg_image *image, uint32_t from, struct tg_lack *lack);

struct tg_gate_status {
	size_t size;         /**< sizeof(struct tg_gate_status) */
	uint64_t generation; /**< number of the image in force; 0: none yet */
	uint64_t image_bytes;
	uint32_t hooks;     /**< bits, 1 << enum tg_hook: attached, or to be */
	uint32_t cgroups;   /**< attached to */
	uint64_t lost;      /**< events that found the ring full */
	uint64_t errors;    /**< calls that met on_error, or whose source could not be bound */
	uint64_t evicted;   /**< buckets of rates that were forgotten to make room for others */
	uint64_t forgotten; /**< and clients of sticky balance, who may be at another backend now */
};

int tg_gate_status(struct tg_gate *gate, struct tg_gate_status *status);

/** What a rule did since the gate knows its name. */
struct tg_counters {
	uint64_t hits;
	uint64_t suppressed; /**< events held back by its log rate */
	uint64_t last_ns;    /**< of the last hit, CLOCK_BOOTTIME, a tick early at most; 0: none */
};

/**
 * Counters of rule `index` of the image in force, or, for
 * TG_RULE_DEFAULT, of the default of `op`.
 */
int tg_gate_counters(struct tg_gate *gate, uint32_t index, enum tg_op op,
		     struct tg_counters *counters);

/** What became of the calls of one hook since the first publish. */
struct tg_hook_counters {
	uint64_t calls;
	uint64_t denied;
	uint64_t rewritten; /**< or shown what they had asked for before they were */
	uint64_t errors;    /**< met on_error, or what their rule promised could not be had */
	uint64_t lost;      /**< events that found the ring full */
};

struct tg_gate_stats {
	size_t size;    /**< sizeof(struct tg_gate_stats) */
	uint32_t rules; /**< of the image in force */
	struct tg_counters defaults[TG_OPS];
	struct tg_hook_counters hooks[TG_HOOKS];
};

/** All counters at once: of the first `count` rules in `rules`, which may be NULL with 0. */
int tg_gate_stats(struct tg_gate *gate, struct tg_counters *rules, uint32_t count,
		  struct tg_gate_stats *stats);

/**
 * The name of rule `index` of the image in force, valid until the next publish;
 * NULL past the last.
 */
const char *tg_gate_rule_name(const struct tg_gate *gate, uint32_t index);

/** Backend `index` of balance rule `rule` of the image in force; -ERANGE past the last. */
int tg_gate_backend(struct tg_gate *gate, uint32_t rule, uint32_t index,
		    struct tg_backend_info *info);

/**
 * Go through the backends of all balance rules in force, in the order of the rules and of their
 * lists: `*cursor` from 0 on, and from 0 again after a publish.  1: *info is one, of *rule; 0:
 * there are no more.  Live services are not among them: see tg_services_backends().
 */
int tg_gate_backend_next(struct tg_gate *gate, uint64_t *cursor, uint32_t *rule,
			 struct tg_backend_info *info);

/**
 * End the sockets that this gate has connected to a backend, "10.0.1.5:8080", or to any port
 * of "10.0.1.5", in every network namespace: their owners hear ECONNABORTED.  TCP and
 * connected UDP; a socket that sends datagrams unconnected stays, since it would come back
 * with another port.  *ended: how many.  Takes the capabilities that loading takes; in other
 * namespaces CAP_SYS_ADMIN.
 */
int tg_gate_kill(struct tg_gate *gate, const char *backend, uint32_t *ended);

/**
 * A descriptor that polls readable when there are events; the gate's own. -ENOENT
 * before the first publish.
 */
int tg_gate_event_fd(const struct tg_gate *gate);

/**
 * The events that stand side by side at the ring's head: `*count` of them,
 * perhaps 0, in place.  One process reads a gate.
 */
int tg_gate_events(struct tg_gate *gate, const struct tg_event **events, uint32_t *count);

/** Give the first `count` of them back to the kernel. */
void tg_gate_consume(struct tg_gate *gate, uint32_t count);

/**
 * Wait for events, `timeout_ms` at most (-1: as long as it takes). 1: there are;
 * 0: there are not.
 */
int tg_gate_wait(struct tg_gate *gate, int timeout_ms);

/**
 * tg_image_decide(), tg_image_choice() and tg_image_mismatch() with the gate's live tables as they
 * are now, for an image that need not be in force.
 */
int tg_gate_decide(const struct tg_gate *gate, const struct tg_image *image,
		   const struct tg_query *query, struct tg_decision *decision);
int tg_gate_choice(const struct tg_gate *gate, const struct tg_image *image,
		   const struct tg_query *query, uint32_t index, struct tg_backend_info *info);
int tg_gate_mismatch(const struct tg_gate *gate, const struct tg_image *image,
		     const struct tg_query *query, uint32_t index, uint32_t *fields);

/* --- Live sets ---------------------------------------------------------------- */

/**
 * A set of a gate: the addresses and prefixes that rules name it for.  A change
 * is seen by the next call.  Any process that has the gate by fork() may change
 * it, whatever its privileges; a process that dies half-way leaves it whole.
 * It belongs to the gate, and is valid as long as that; -ENOENT where the image
 * in force does not declare it any more.
 */
struct tg_set;

int tg_gate_set(const struct tg_gate *gate, const char *name, struct tg_set **set);

/**
 * Add `count` items: "10.0.0.1", "10.0.0.0/8", "2001:db8::/32"; one that is there
 * gets the new time to live (ms; 0: for ever; TG_TTL_DEFAULT: the set's).  What
 * is wrong with one of them adds none.  -ENOSPC: the set is full; those before
 * are in it.
 */
int tg_set_add(struct tg_set *set, const char *const *items, size_t count, uint64_t ttl_ms);

/** The items of a file, one a line, with the set's time to live. */
int tg_set_load(struct tg_set *set, const char *path);

/** 1: it was in the set; 0: it was not.  A prefix is an element, not the addresses under it. */
int tg_set_remove(struct tg_set *set, const char *item);

/**
 * Put these in place of all that it holds; whoever reads sees one or the other,
 * never a mixture.  -ENOSPC: they have no room; nothing has changed.
 */
int tg_set_replace(struct tg_set *set, const char *const *items, size_t count, uint64_t ttl_ms);

/** The same with the items of a file, and the set's time to live. */
int tg_set_replace_load(struct tg_set *set, const char *path);

/** Whether an address is in the set, by itself or under a prefix: 1 or 0. */
int tg_set_contains(const struct tg_set *set, const char *address);

int tg_set_info(const struct tg_set *set, struct tg_set_info *info);

/**
 * Go through the elements, in no order: `*cursor` from 0 on.  1: *element is one; 0: there are no
 * more.  What is added or removed meanwhile may be among them or not.
 */
int tg_set_next(const struct tg_set *set, uint64_t *cursor, struct tg_set_element *element);

/* --- Live services ------------------------------------------------------------- */

/** Services of a gate: VIPs and their backends; what is said of sets holds of them. */
struct tg_services;

int tg_gate_services(const struct tg_gate *gate, const char *name, struct tg_services **services);

/**
 * Give a VIP these backends, in place of those that it had; a call sees one list or the
 * other whole.  With none, or none that is up, calls for it fail.  -ENOSPC: there is no room
 * for it; nothing has changed.
 *
 * What becomes of the sockets of backends that are not in the list any more, or down in it:
 * with `ended` NULL they stay.  Else those that this gate has connected from the VIP to them
 * are ended, in every network namespace, and *ended is how many: see tg_gate_kill().  -EPERM,
 * before anything is changed: this process cannot.  Another failure tells of sockets that
 * could not be ended; the list has changed then.
 */
int tg_services_put(struct tg_services *services, const char *vip,
		    const struct tg_backend_spec *backends, size_t count, uint32_t *ended);

/**
 * 1: there was such a VIP, and it is no service any more; 0: there was none.  Of its sockets
 * as tg_services_put().
 */
int tg_services_remove(struct tg_services *services, const char *vip, uint32_t *ended);

int tg_services_info(const struct tg_services *services, struct tg_services_info *info);

/** Go through them, in no order, as tg_set_next() does through elements. */
int tg_services_next(const struct tg_services *services, uint64_t *cursor, struct tg_vip_info *vip);

/**
 * The backends of a VIP, all at one moment, with what they were picked: the first `room` of
 * them in `backends`, which may be NULL with 0, and how many there are in *count.  1; or 0:
 * there is no such VIP.
 */
int tg_services_backends(const struct tg_services *services, const char *vip,
			 struct tg_backend_info *backends, uint32_t room, uint32_t *count);

/* --- Event loops that cannot wait for a descriptor ------------------------------ */

/**
 * A thread that wakes an event loop which cannot wait for a descriptor that it
 * is given, but for a connection that it makes.
 */
struct tg_waker;

/**
 * Listen on a unix socket in a folder of its own in TMPDIR (/tmp), and write its
 * path (108 bytes are enough).  The loop connects once, upon which the file
 * goes.  It gets a byte when there are events, and sends one back when it has
 * consumed them.  The gate must stay as long as the waker.
 */
int tg_waker_start(const struct tg_gate *gate, char *path, size_t size, struct tg_waker **waker);

/** End the thread, close the connection, free; in a forked child, only free. */
void tg_waker_stop(struct tg_waker *waker);

/* --- Gates of hosts with several processes, or several lives -------------------- */

/**
 * The gate that this process knows by a name, opened where there is none.  Each
 * call makes one holder more, and tg_gate_close() one less: a host that starts
 * anew inside its process takes hold of its gate before it lets go of it.
 *
 * Processes forked from this one have the gate as it is then: its counters and
 * events are the same for all.  One that is not to keep what it inherits
 * attached calls tg_gate_detach().
 */
int tg_gate_named(const char *name, struct tg_gate **gate);

/**
 * Become the one process that reads the events of a gate that has a name, for
 * as long as the process lives. 1: it is; 0: another one is.
 */
int tg_gate_claim(struct tg_gate *gate);

/** Let another process be the reader. */
int tg_gate_resign(struct tg_gate *gate);

/* --- Cgroups and what this machine can do ------------------------------------ */

/** Where cgroup2 is mounted, also beside v1. -ENOENT: nowhere. */
int tg_cgroup_root(char *path, size_t size);

/**
 * The folder of a cgroup: "/sys/fs/cgroup/app" as it is, "self", "pid:42",
 * "unit:nginx.service".
 */
int tg_cgroup_find(const char *name, char *path, size_t size);

enum tg_check_state { TG_CHECK_OK, TG_CHECK_WARN, TG_CHECK_FAIL };

/** One line of a diagnosis. */
struct tg_check {
	size_t size;      /**< sizeof(struct tg_check) */
	uint32_t state;   /**< enum tg_check_state */
	char name[32];    /**< "kernel", "BTF", "cgroup2" … */
	char found[320];  /**< what was found */
	char remedy[320]; /**< what would mend it; "" if nothing needs to */
};

/** Check `index`, from 0; -ERANGE past the last.  Tries, and leaves nothing behind. */
int tg_doctor(uint32_t index, struct tg_check *check);

/* } public */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
