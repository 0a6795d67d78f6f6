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
 * Functions return 0 or -errno.  Results come through out-parameters, which stay
 * untouched if the call fails; tg_error() then has the text.  Objects belong to
 * the caller and have no locks: only one thread at a time may use an object.
 * The library prints nothing, copies the strings that it is given, and starts no
 * thread except in tg_waker_start().  A struct whose first member is `size` may
 * grow at its end: set `size` to its sizeof.
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

/** Changes whenever a declaration of this header changes in a way that breaks its users. */
#define TG_ABI 1

/** The TG_ABI that the library was built with. */
uint32_t tg_abi(void);

/** "0.1.0" */
const char *tg_version(void);

/**
 * The text of the last failure on this thread: one or more lines, without a
 * newline at the end.  It contains the verifier's log if there is one.  Valid
 * until the next failure on this thread.
 */
const char *tg_error(void);

/* --- Names ----------------------------------------------------------------- */

/** "connect4" for TG_HOOK_CONNECT4; NULL if `hook` is not a hook. */
const char *tg_hook_name(int hook);

/** "connect" for TG_OP_CONNECT; NULL if `op` is not an operation. */
const char *tg_op_name(int op);

/** "ECONNREFUSED" for 111; NULL if the number has no name. */
const char *tg_errno_name(int error);

/* --- Lists: patterns of one field ------------------------------------------ */

/**
 * The fields of a call that a rule may test.  A new one also needs a key in
 * bpf/layout/image_layout.h and a row in core/base/field.c: see CONTRIBUTING.md.
 */
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
	TG_FIELD_CGROUP, /**< the task's cgroup or one above it: "/sys/fs/cgroup/app", "app" */
	TG_FIELD_FROM,   /**< the socket's own address and port, or the datagram's: an endpoint */
	TG_FIELDS,
};

/**
 * A set of values of one field: the union of its items, minus the items that
 * start with '!'.  If every item starts with '!', it is all values minus those.
 * Many rules and policies may use the same list.
 */
struct tg_list;

int tg_list_new(enum tg_field field, struct tg_list **list);

/** Policies that used the list are not affected: they have copied what they need. */
void tg_list_free(struct tg_list *list);

/**
 * Add one item, spelled as in a policy file.  Names of hosts, services, users,
 * groups and devices, and paths, are resolved now.  -EINVAL: not an item of this
 * field; -ENOENT: the name is unknown.
 */
int tg_list_add(struct tg_list *list, const char *item);

/**
 * Add the items of a file, one per line; '#' starts a comment.  A failure adds
 * none of them, and tg_error() names the file and the line.
 */
int tg_list_load(struct tg_list *list, const char *path);

/**
 * Add one item to a list of endpoints: every address of `addrs` (endpoints
 * without ports; NULL: any address) with every port of `ports` (NULL: any port).
 */
int tg_list_add_product(struct tg_list *list, const struct tg_list *addrs,
			const struct tg_list *ports);

/**
 * Add the addresses of the live set that the policy declares by this name, or, if
 * `negated`, all other addresses.  Only for a list of endpoints.
 */
int tg_list_add_set(struct tg_list *list, const char *name, bool negated);

/* --- Policies --------------------------------------------------------------- */

/** An ordered list of rules, and the defaults for calls that no rule matches. */
struct tg_policy;

/** A rule without its conditions: tg_policy_match() adds these. */
struct tg_rule {
	size_t size;        /**< sizeof(struct tg_rule) */
	uint32_t verb;      /**< enum tg_verb */
	uint32_t ops;       /**< bits, 1 << enum tg_op */
	const char *name;   /**< unique in the policy; NULL: "#n", n from 1 */
	const char *where;  /**< "web.lua:4", the start of its error messages; may be NULL */
	const char *text;   /**< the rule as its author wrote it; may be NULL */
	const char *error;  /**< deny: "ECONNREFUSED", "111"; NULL: EPERM.  balance: the errno if
			       no backend is up; NULL: EHOSTUNREACH */
	const char *to;     /**< rewrite: "127.0.0.1:80", "127.0.0.1", "*:80", "unix:/run/x.sock"; a
			       name means its first address */
	const char *source; /**< connect: bind to this first, "127.0.0.1:22222" or "127.0.0.1";
			       sendmsg: send from this, "127.0.0.1"; may be NULL */
	const char *
		log; /**< "true", "false", "10/s", "1/100"; NULL: denials "100/s", observe "true" */
	bool reveal; /**< rewrite, balance: the program is shown the final address */
	bool privileged;  /**< bind: a port below 1024 needs no CAP_NET_BIND_SERVICE */
	bool shadow;      /**< count and log, but decide as if the rule were not there */
	const char *over; /**< "100/s", "100/s burst 200": match only what exceeds this rate; NULL:
			     all */
	const char
		*per; /**< with over: a rate per "uid", "cgroup", "pid" or "dst"; NULL: per rule */
	const char *set; /**< connect, bind: "mark=0x10 congestion=bbr"; may be NULL */
	const char *by;  /**< balance: "random" or "hash"; NULL: "random" */
	const char *key; /**< with by "hash" or sticky: "socket", "pid", "uid", "cgroup", "netns" or
			    "destination"; NULL: "socket", but an error with sticky */
	uint64_t sticky_ms; /**< balance: how long a client (the calls of one key) stays with its
			       backend after its last call, at most 30 days; 0: not at all */
};

/** `name` may be NULL. */
int tg_policy_new(const char *name, struct tg_policy **policy);
void tg_policy_free(struct tg_policy *policy);

/**
 * What happens to a call of `ops` (bits) that no rule matches; default: TG_VERB_ALLOW.
 * It applies to unix sockets only if some rule of the operation has unix: endpoints.
 */
int tg_policy_default(struct tg_policy *policy, uint32_t ops, enum tg_verb verb);

/** What a BPF program returns if it finds no usable image; default: TG_VERB_ALLOW. */
int tg_policy_on_error(struct tg_policy *policy, enum tg_verb verb);

/** Append a rule; `*index` counts from 0. */
int tg_policy_add(struct tg_policy *policy, const struct tg_rule *rule, uint32_t *index);

/**
 * Add a condition to rule `index`: the value of the list's field must be in the
 * list.  All conditions of a rule must hold.  -EEXIST: the rule already has a
 * condition on this field.
 */
int tg_policy_match(struct tg_policy *policy, uint32_t index, const struct tg_list *list);

/**
 * Append a backend to balance rule `index`, which needs at least one: "10.0.1.5:8080", or
 * "10.0.1.5" to keep the call's port; a name means its first address.  The backend's share
 * is `weight` (1 to 65535) of the sum of all weights.  All backends of a rule must be of one
 * family.
 */
int tg_policy_backend(struct tg_policy *policy, uint32_t index, const char *backend,
		      uint32_t weight);

/** Instead of a time to live in ms: the set's own. */
#define TG_TTL_DEFAULT 0xffffffff

/**
 * Declare a live set, which lists may name: addresses and prefixes of both
 * families that may change while the policy is in force.  It has room for `size`
 * elements (0: 65,536, or twice its first contents if that is more).  Elements
 * live for `ttl_ms` (0: for ever).
 */
int tg_policy_set(struct tg_policy *policy, const char *name, uint32_t size, uint64_t ttl_ms);

/**
 * Add an element that the set has when a gate makes it: "10.0.0.1", "10.0.0.0/8",
 * "2001:db8::/32", or a name (all its addresses).
 */
int tg_policy_set_add(struct tg_policy *policy, const char *name, const char *item,
		      uint64_t ttl_ms);

/** Like tg_policy_set_add(), for each line of a file. */
int tg_policy_set_load(struct tg_policy *policy, const char *name, const char *path);

/** A backend that a caller gives to a live service. */
struct tg_backend_spec {
	const char *address; /**< "10.0.1.5:8080"; "10.0.1.5" keeps the port of the service */
	uint32_t weight;     /**< 1 to 65535 */
	uint32_t state;      /**< enum tg_backend_state */
};

/**
 * Declare live services, which lists name like sets: a table of VIPs and their
 * backends.  It has room for `size` VIPs (0: 1,024, or twice its first contents
 * if that is more).  A balance rule that names the services, and has no backends
 * of its own, sends a call for one of the VIPs to a backend of that VIP.
 */
int tg_policy_services(struct tg_policy *policy, const char *name, uint32_t size);

/** Add a service that the table has when a gate makes it: "10.96.0.10:80/tcp" and its backends. */
int tg_policy_service(struct tg_policy *policy, const char *name, const char *vip,
		      const struct tg_backend_spec *backends, size_t count);

/* --- Images ----------------------------------------------------------------- */

/** A compiled policy: one flat array, the same bytes in the kernel and in a file. */
struct tg_image;

/**
 * Compile a policy.  -EINVAL: a rule contradicts itself; -E2BIG: the policy exceeds
 * a limit.  The text names the rule.  Takes O(n log n) time for n patterns.
 */
int tg_policy_compile(const struct tg_policy *policy, struct tg_image **image);

void tg_image_free(struct tg_image *image);

/** Read an image from a file.  -EINVAL: the file is not an image, or is damaged. */
int tg_image_load(const char *path, struct tg_image **image);
int tg_image_save(const struct tg_image *image, const char *path);

/** 0 if `bytes` are an image that is safe to walk and whose checksum is right. */
int tg_image_verify(const void *bytes, size_t size);

/** The bytes of the image, valid as long as the image. */
const void *tg_image_bytes(const struct tg_image *image, size_t *size);

/** What an image contains.  Strings are valid as long as the image. */
struct tg_image_info {
	size_t size; /**< sizeof(struct tg_image_info) */
	size_t bytes;
	uint32_t rules;
	uint32_t hooks;    /**< bits, 1 << enum tg_hook: the hooks that a gate attaches for it */
	const char *name;  /**< of the policy; "" if it has none */
	uint32_t on_error; /**< enum tg_verb */
	uint32_t
		defaults[TG_OPS]; /**< enum tg_verb for calls that no rule matches, by enum tg_op */
};

int tg_image_info(const struct tg_image *image, struct tg_image_info *info);

/** A rule in an image.  Strings are valid as long as the image. */
struct tg_rule_info {
	size_t size; /**< sizeof(struct tg_rule_info) */
	const char *name;
	const char *where; /**< "" if not known */
	const char *text;  /**< "" if not known */
	uint32_t verb;     /**< enum tg_verb */
	uint32_t ops;      /**< bits, 1 << enum tg_op */
	uint32_t slot;     /**< the slot of its counters in the gate that stamped the image */
};

/** -ERANGE: the image has no rule `index`. */
int tg_image_rule(const struct tg_image *image, uint32_t index, struct tg_rule_info *info);

/** A backend of a balance rule or of a service. */
struct tg_backend_info {
	size_t size;      /**< sizeof(struct tg_backend_info) */
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t port;    /**< host order; 0: the port of the call */
	uint32_t weight;
	uint32_t state;  /**< enum tg_backend_state */
	uint64_t picked; /**< how often it was picked since the gate first saw the rule's name; 0 in
			    an image */
};

/** Get backend `index` of balance rule `rule`; -ERANGE past the last. */
int tg_image_backend(const struct tg_image *image, uint32_t rule, uint32_t index,
		     struct tg_backend_info *info);

struct tg_services_info {
	size_t size;      /**< sizeof(struct tg_services_info) */
	const char *name; /**< valid as long as the table or the image */
	uint32_t room;    /**< how many services it has room for */
	uint32_t count;   /**< how many it has; in an image: at first */
	uint64_t bytes;   /**< of kernel memory; 0 in an image */
};

struct tg_vip_info {
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t port;    /**< host order */
	uint32_t proto;   /**< IPPROTO_TCP (includes MPTCP) or IPPROTO_UDP */
	uint32_t backends;
};

struct tg_set_info {
	size_t size;      /**< sizeof(struct tg_set_info) */
	const char *name; /**< valid as long as the set or the image */
	uint32_t room;    /**< how many elements it has room for */
	uint32_t count;   /**< how many it has; in an image: at first */
	uint64_t ttl_ms;  /**< of elements that were added without one; 0: for ever */
	uint64_t bytes;   /**< of kernel memory; 0 in an image */
};

struct tg_set_element {
	uint8_t addr[16]; /**< network order; IPv4 is v4-mapped */
	uint32_t length;  /**< of the prefix, in bits of its own family: at most 32 for IPv4 */
	bool is4;
	uint64_t ttl_ms; /**< the time that is left; 0: for ever */
};

/** Describe live set `index` that an image declares; -ERANGE past the last. */
int tg_image_set(const struct tg_image *image, uint32_t index, struct tg_set_info *info);

/**
 * Walk the elements of such a set, in order.  `*cursor` starts at 0.  1: *element is the next
 * element; 0: there are no more.
 */
int tg_image_set_next(const struct tg_image *image, uint32_t index, uint64_t *cursor,
		      struct tg_set_element *element);

/** Describe live services `index` that an image declares; -ERANGE past the last. */
int tg_image_services(const struct tg_image *image, uint32_t index, struct tg_services_info *info);

/**
 * Walk the VIPs of such services, in order.  `*cursor` starts at 0.  1: *vip is the next VIP;
 * 0: there are no more.
 */
int tg_image_service_next(const struct tg_image *image, uint32_t index, uint64_t *cursor,
			  struct tg_vip_info *vip);

/** Get backend `number` of the VIP that was returned last with this cursor; -ERANGE past the last.
 */
int tg_image_service_backend(const struct tg_image *image, uint32_t index, uint64_t cursor,
			     uint32_t number, struct tg_backend_info *info);

/** A call for the simulator to decide. */
struct tg_query {
	size_t size;      /**< sizeof(struct tg_query) */
	uint32_t op;      /**< enum tg_op */
	uint32_t family;  /**< of the socket: AF_INET, AF_INET6 or AF_UNIX; 0: the family of the
			     address */
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
	uint32_t device;    /**< index of the interface that the socket is bound to; 0: none */
	uint32_t from_port; /**< host order; 0: not bound */
	uint8_t from[16]; /**< the socket's own address, in the form of addr; all zero: not bound */
	uint64_t exe_device; /**< packed like in the kernel: major << 20 | minor */
	uint64_t exe_inode;
	uint64_t netns; /**< cookie */
	/** The ids of the cgroups from the root down to the task's own; all zero: the root. */
	uint64_t cgroup[TG_CGROUP_DEPTH + 1];
};

/**
 * Set address, port and family of a query from "1.2.3.4:80", "[::1]:80" or
 * "name:https" (its first address); or path and family from "unix:/run/x.sock".
 */
int tg_query_endpoint(struct tg_query *query, const char *endpoint);

/**
 * Set another field of a query from its text: "tcp", "www-data", "/usr/bin/curl".
 * A comm of more than 15 bytes is cut, as the kernel does.
 */
int tg_query_set(struct tg_query *query, enum tg_field field, const char *text);

/** What happens to a call. */
struct tg_decision {
	size_t size;      /**< sizeof(struct tg_decision) */
	uint32_t rule;    /**< the rule that decides, or TG_RULE_DEFAULT */
	uint32_t verb;    /**< enum tg_verb */
	uint32_t error;   /**< the errno of a denial, or of a balance without a backend; positive */
	uint32_t port;    /**< final, host order */
	uint8_t addr[16]; /**< final, network order, IPv4 is v4-mapped */
	uint32_t source_port; /**< host order; 0: any */
	uint8_t source[16]; /**< the address that the socket is bound to first; all zero: not bound
			     */
	bool logs;          /**< the rule emits events */
	uint8_t path[108];  /**< AF_UNIX: final */
	uint32_t path_bytes;
	bool privileged; /**< bind: the port needs no CAP_NET_BIND_SERVICE */
	bool open; /**< balance: the choice is random or by the socket; addr and port are those
		      that were asked for */
};

/** Decide a call like the kernel: the source of the BPF programs, run over this image. */
int tg_image_decide(const struct tg_image *image, const struct tg_query *query,
		    struct tg_decision *decision);

/**
 * Get backend `index` of those that a call is balanced over; -ERANGE past the last, or if the
 * call is not balanced.
 */
int tg_image_choice(const struct tg_image *image, const struct tg_query *query, uint32_t index,
		    struct tg_backend_info *info);

/**
 * Say why rule `index` does not match a query.  `*fields` gets a bit, 1 << enum
 * tg_field, for each field that differs; or TG_MISMATCH_OP if the rule is not for
 * the operation, or TG_MISMATCH_RATE if it matches only what exceeds a rate; or 0 if
 * it matches.  If only the port of the endpoint differs, TG_FIELD_PORT is set beside
 * TG_FIELD_ENDPOINT.
 */
#define TG_MISMATCH_OP   0x80000000
#define TG_MISMATCH_RATE 0x40000000
int tg_image_mismatch(const struct tg_image *image, const struct tg_query *query, uint32_t index,
		      uint32_t *fields);

/** What a finding is about. */
enum tg_finding_kind {
	TG_FINDING_NEVER,    /**< the rule, or one of its operations, can never match */
	TG_FINDING_LOOP,     /**< a rewrite whose target is rewritten back to where it began */
	TG_FINDING_DEFEATED, /**< a connected socket can send the datagrams that the rule denies */
	TG_FINDING_LOOPBACK, /**< a denial of all addresses, which includes those of this machine */
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

/** Look for findings.  The image must live as long as the result. */
int tg_lint_new(const struct tg_image *image, struct tg_lint **lint);

/**
 * Get finding `index`, counted from 0 in the order of the rules; -ERANGE past the last.
 * The text is valid as long as `lint`.
 */
int tg_lint_finding(const struct tg_lint *lint, uint32_t index, struct tg_finding *finding);

void tg_lint_free(struct tg_lint *lint);

/** Write "1.2.3.4" or "::1"; a v4-mapped address as IPv4.  -ENOSPC: `size` is below 46. */
int tg_addr_format(const uint8_t addr[16], char *text, size_t size);

/* --- Gates ------------------------------------------------------------------ */

/** A running instance: programs, maps, links, events. */
struct tg_gate;

struct tg_gate_options {
	size_t size;         /**< sizeof(struct tg_gate_options) */
	uint32_t ring_bytes; /**< size of the event ring, a power of two of whole pages; 0: 1 MiB */
};

/** Make a gate.  It does not touch the kernel before tg_gate_publish().  `options` may be NULL. */
int tg_gate_open(const struct tg_gate_options *options, struct tg_gate **gate);

/** Detach, unload and free.  If the gate has a name, the last holder's call does that. */
void tg_gate_close(struct tg_gate *gate);

/**
 * Enforce an image, in one atomic step: before it every call sees the old image
 * whole, after it every call sees the new one whole.  A failure changes nothing.
 * The gate loads the programs and makes the links that the image needs.  The image
 * may be freed afterwards.  -EPERM: needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.
 * -EOPNOTSUPP: the kernel does not have what the text names, see tg_image_lack().
 */
int tg_gate_publish(struct tg_gate *gate, const struct tg_image *image);

/**
 * Attach to a cgroup, named by its folder in a cgroup2 file system, and so to all
 * cgroups below it.  A gate may be attached to several.  -EEXIST: it is already
 * attached to this one.
 */
int tg_gate_attach(struct tg_gate *gate, const char *cgroup);

/** Attach to this cgroup unless the gate already is, then detach from all others. */
int tg_gate_move(struct tg_gate *gate, const char *cgroup);

/**
 * Detach from every cgroup.  In a process that inherited the gate by fork(), this
 * only closes its own descriptors of the links: the kernel undoes a link when no
 * process holds it any longer.
 */
int tg_gate_detach(struct tg_gate *gate);

/** Something that a rule needs and this kernel does not have. */
struct tg_lack {
	size_t size;   /**< sizeof(struct tg_lack) */
	uint32_t rule; /**< or TG_RULE_DEFAULT: no single rule is the cause */
	char text[512]; /**< `web.lua:4: rewrite "x": needs …, which this kernel does not have; …`
			 */
};

/**
 * Find the first rule, from number `from` on, that needs something that this kernel
 * does not have.  -ERANGE: no rule does, or this process may not ask the kernel.
 * What no single rule causes is reported with `from` 0.  The answer comes from
 * trying, not from the kernel's version; each feature is tried once per process.
 */
int tg_image_lack(const struct tg_image *image, uint32_t from, struct tg_lack *lack);

struct tg_gate_status {
	size_t size;         /**< sizeof(struct tg_gate_status) */
	uint64_t generation; /**< the number of the image in force; 0: none yet */
	uint64_t image_bytes;
	uint32_t hooks;     /**< bits, 1 << enum tg_hook: the hooks that the gate attaches */
	uint32_t cgroups;   /**< how many cgroups it is attached to */
	uint64_t lost;      /**< events that found the ring full */
	uint64_t errors;    /**< calls that got on_error, or whose source could not be bound */
	uint64_t evicted;   /**< buckets of rates that were forgotten to make room for others */
	uint64_t forgotten; /**< sticky clients that were forgotten to make room for others; their
			       next call may go to another backend */
};

int tg_gate_status(struct tg_gate *gate, struct tg_gate_status *status);

/** What a rule did since the gate first saw its name. */
struct tg_counters {
	uint64_t hits;
	uint64_t suppressed; /**< events that its log rate held back */
	uint64_t last_ns; /**< time of the last hit, CLOCK_BOOTTIME, at most a tick early; 0: no hit
			   */
};

/**
 * Read the counters of rule `index` of the image in force, or, if `index` is
 * TG_RULE_DEFAULT, those of the default of `op`.
 */
int tg_gate_counters(struct tg_gate *gate, uint32_t index, enum tg_op op,
		     struct tg_counters *counters);

/** What happened to the calls of one hook since the first publish. */
struct tg_hook_counters {
	uint64_t calls;
	uint64_t denied;
	uint64_t rewritten; /**< rewritten, or shown the address that they had asked for before */
	uint64_t errors;    /**< got on_error, or an effect of their rule failed */
	uint64_t lost;      /**< events that found the ring full */
};

struct tg_gate_stats {
	size_t size;    /**< sizeof(struct tg_gate_stats) */
	uint32_t rules; /**< of the image in force */
	struct tg_counters defaults[TG_OPS];
	struct tg_hook_counters hooks[TG_HOOKS];
};

/**
 * Read all counters at once: those of the first `count` rules into `rules`, which may be NULL if
 * `count` is 0, and the rest into `stats`.
 */
int tg_gate_stats(struct tg_gate *gate, struct tg_counters *rules, uint32_t count,
		  struct tg_gate_stats *stats);

/**
 * The name of rule `index` of the image in force, valid until the next publish.
 * NULL: there is no such rule.
 */
const char *tg_gate_rule_name(const struct tg_gate *gate, uint32_t index);

/** Get backend `index` of balance rule `rule` of the image in force; -ERANGE past the last. */
int tg_gate_backend(struct tg_gate *gate, uint32_t rule, uint32_t index,
		    struct tg_backend_info *info);

/**
 * Walk the backends of all balance rules in force, in the order of the rules and of their lists.
 * `*cursor` starts at 0, and again at 0 after a publish.  1: *info is the next backend, of rule
 * *rule; 0: there are no more.  Backends of live services are not among them: see
 * tg_services_backends().
 */
int tg_gate_backend_next(struct tg_gate *gate, uint64_t *cursor, uint32_t *rule,
			 struct tg_backend_info *info);

/**
 * End the sockets that this gate has connected to a backend ("10.0.1.5:8080", or "10.0.1.5" for
 * all its ports), in every network namespace: their owners get ECONNABORTED.  This ends TCP and
 * connected UDP sockets.  A socket that sends datagrams unconnected stays, because it would come
 * back with another port.  *ended is how many sockets were ended.  Needs the capabilities that
 * loading needs, and CAP_SYS_ADMIN for other namespaces.
 */
int tg_gate_kill(struct tg_gate *gate, const char *backend, uint32_t *ended);

/**
 * A descriptor that polls readable when there are events.  It belongs to the gate.
 * -ENOENT before the first publish.
 */
int tg_gate_event_fd(const struct tg_gate *gate);

/**
 * Get the events that are contiguous at the head of the ring, in place: `*count` of
 * them, perhaps 0.  Only one process may read a gate's events.
 */
int tg_gate_events(struct tg_gate *gate, const struct tg_event **events, uint32_t *count);

/** Return the first `count` of these events to the kernel. */
void tg_gate_consume(struct tg_gate *gate, uint32_t count);

/**
 * Wait for events for at most `timeout_ms` (-1: without limit).  1: there are events;
 * 0: there are none.
 */
int tg_gate_wait(struct tg_gate *gate, int timeout_ms);

/**
 * Like tg_image_decide(), tg_image_choice() and tg_image_mismatch(), but with the present contents
 * of the gate's live tables.  The image need not be in force.
 */
int tg_gate_decide(const struct tg_gate *gate, const struct tg_image *image,
		   const struct tg_query *query, struct tg_decision *decision);
int tg_gate_choice(const struct tg_gate *gate, const struct tg_image *image,
		   const struct tg_query *query, uint32_t index, struct tg_backend_info *info);
int tg_gate_mismatch(const struct tg_gate *gate, const struct tg_image *image,
		     const struct tg_query *query, uint32_t index, uint32_t *fields);

/* --- Live sets ---------------------------------------------------------------- */

/**
 * A live set of a gate: addresses and prefixes.  The next call sees a change.  Any
 * process that has the gate by fork() may change the set, whatever its privileges; a
 * process that dies half-way through a change leaves the set consistent.  The handle
 * belongs to the gate and is valid as long as the gate; its functions return -ENOENT
 * once the image in force does not declare the set any more.
 */
struct tg_set;

int tg_gate_set(const struct tg_gate *gate, const char *name, struct tg_set **set);

/**
 * Add `count` items: "10.0.0.1", "10.0.0.0/8", "2001:db8::/32".  An item that the set
 * already has gets the new time to live (ms; 0: for ever; TG_TTL_DEFAULT: the set's).
 * If one of them is wrong, none is added.  -ENOSPC: the set is full; the items before
 * that one were added.
 */
int tg_set_add(struct tg_set *set, const char *const *items, size_t count, uint64_t ttl_ms);

/** Add the items of a file, one per line, with the set's time to live. */
int tg_set_load(struct tg_set *set, const char *path);

/**
 * Remove an element.  1: it was in the set; 0: it was not.  A prefix is one element; this does not
 * remove elements inside the prefix.
 */
int tg_set_remove(struct tg_set *set, const char *item);

/**
 * Replace all elements.  A reader sees either the old elements or the new ones, never
 * a mixture.  -ENOSPC: there is no room for the new ones, and nothing has changed.
 */
int tg_set_replace(struct tg_set *set, const char *const *items, size_t count, uint64_t ttl_ms);

/** Like tg_set_replace(), with the items of a file and the set's time to live. */
int tg_set_replace_load(struct tg_set *set, const char *path);

/** 1 if the set contains an address, by itself or in a prefix; else 0. */
int tg_set_contains(const struct tg_set *set, const char *address);

int tg_set_info(const struct tg_set *set, struct tg_set_info *info);

/**
 * Walk the elements, in no order.  `*cursor` starts at 0.  1: *element is the next element; 0:
 * there are no more.  An element that is added or removed meanwhile may or may not be returned.
 */
int tg_set_next(const struct tg_set *set, uint64_t *cursor, struct tg_set_element *element);

/* --- Live services ------------------------------------------------------------- */

/** Live services of a gate: VIPs and their backends.  What struct tg_set says applies to them too.
 */
struct tg_services;

int tg_gate_services(const struct tg_gate *gate, const char *name, struct tg_services **services);

/**
 * Replace the backends of a VIP; a call sees either the old list or the new one, whole.  If
 * the list is empty, or no backend in it is up, calls for the VIP fail.  -ENOSPC: there is no
 * room, and nothing has changed.
 *
 * If `ended` is NULL, sockets that are connected to backends that are no longer in the list,
 * or are down in it, stay.  Otherwise this ends those that the gate has connected from the VIP
 * to such a backend, in every network namespace, and *ended is how many: see tg_gate_kill().
 * -EPERM: this process may not do that, and nothing has changed.  Any other failure reports
 * sockets that could not be ended; the list has changed by then.
 */
int tg_services_put(struct tg_services *services, const char *vip,
		    const struct tg_backend_spec *backends, size_t count, uint32_t *ended);

/**
 * Remove a VIP.  1: it was removed; 0: there was no such VIP.  `ended` is as for
 * tg_services_put().
 */
int tg_services_remove(struct tg_services *services, const char *vip, uint32_t *ended);

int tg_services_info(const struct tg_services *services, struct tg_services_info *info);

/** Walk the VIPs, in no order, like tg_set_next() walks elements. */
int tg_services_next(const struct tg_services *services, uint64_t *cursor, struct tg_vip_info *vip);

/**
 * Read the backends of a VIP as they are at one moment, with how often each was picked: the
 * first `room` of them into `backends`, which may be NULL if `room` is 0, and how many there
 * are into *count.  1: success; 0: there is no such VIP.
 */
int tg_services_backends(const struct tg_services *services, const char *vip,
			 struct tg_backend_info *backends, uint32_t room, uint32_t *count);

/* --- Event loops that cannot wait for a descriptor ------------------------------ */

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

/* --- Gates of hosts with several processes, or that restart in place ------------ */

/**
 * Get the gate that this process knows by a name; open it if there is none.  Each call
 * adds a holder, and tg_gate_close() removes one.  So a host that restarts inside its
 * process can take hold of its gate again before it closes the old handle.
 *
 * A process that is forked from this one has the gate as it is at that time: counters
 * and events are shared.  A child that should not keep the gate attached calls
 * tg_gate_detach().
 */
int tg_gate_named(const char *name, struct tg_gate **gate);

/**
 * Become the only process that reads the events of a gate that has a name, for as
 * long as this process lives.  1: this process is the reader; 0: another one is.
 */
int tg_gate_claim(struct tg_gate *gate);

/** Stop being the reader, so that another process can become it. */
int tg_gate_resign(struct tg_gate *gate);

/* --- Cgroups and what this machine can do ------------------------------------ */

/** Where cgroup2 is mounted, possibly beside v1.  -ENOENT: it is not mounted. */
int tg_cgroup_root(char *path, size_t size);

/**
 * Write the folder of a cgroup that is named by its path ("/sys/fs/cgroup/app"), or
 * as "self", "pid:42" or "unit:nginx.service".
 */
int tg_cgroup_find(const char *name, char *path, size_t size);

enum tg_check_state { TG_CHECK_OK, TG_CHECK_WARN, TG_CHECK_FAIL };

/** One line of a diagnosis. */
struct tg_check {
	size_t size;      /**< sizeof(struct tg_check) */
	uint32_t state;   /**< enum tg_check_state */
	char name[32];    /**< "kernel", "BTF", "cgroup2" … */
	char found[320];  /**< what was found */
	char remedy[320]; /**< what to do about it; "" if nothing */
};

/**
 * Run check `index`, counted from 0; -ERANGE past the last.  It tries things on the kernel, and
 * leaves nothing behind.
 */
int tg_doctor(uint32_t index, struct tg_check *check);

/* } public */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
