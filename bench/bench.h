/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what a measurement is made of.
 *
 * A variant is one cgroup with one program, or none, and sockets that were made
 * in it: connecting one of those, or sending from it, runs that program.  A
 * group is a stream of destinations and the variants that are measured with it.
 */
#ifndef BENCH_H
#define BENCH_H

#include <limits.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tidegate.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

union address {
	struct sockaddr any;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

struct stream {
	int family;
	uint32_t count; /* a power of two */
	union address *addresses;
};

struct prefix {
	uint8_t addr[16]; /* network order; IPv4 in the first four */
	uint32_t length;
};

/* A rule of a random policy: a prefix, ports (0 to 65535: any), perhaps "udp". */
struct random_rule {
	struct prefix prefix;
	uint16_t port_low, port_high;
	bool udp;
};

struct samples {
	double *values;
	uint32_t count, room;
};

/* How fast a socket is depends on where in memory it came to lie, so one is not enough. */
#define VARIANT_SOCKETS 8

struct variant {
	const char *id;
	const char *label;
	char cgroup[PATH_MAX];
	int cgroup_fd;
	int sockets[VARIANT_SOCKETS]; /* used in turn */
	enum tg_op op;                /* connect or sendmsg: of its group */
	int error;                    /* what its calls end with: 0 or an errno */
	uint32_t slow;                /* its batches are so many times shorter; 0: they are not */
	int program;                  /* -1: none */
	int link;                     /* of a rival; a gate has its own */
	struct tg_gate *gate;
	const struct variant *against; /* what its net figures are net of */
	struct samples call;           /* ns a call, by round */
	struct samples run;            /* ns a run of the program, by round */
};

#define GROUP_VARIANTS 16

struct group {
	const char *id;
	const char *label;
	enum tg_op op;
	struct stream stream;
	struct variant variants[GROUP_VARIANTS];
	uint32_t count;
	uint32_t round;
	uint32_t cursor; /* of the stream; goes round */
};

/* Room for so many, of zeros; ends the benchmark where there is none. */
void *allocate(size_t count, size_t size);

/* Ends the benchmark; cgroups are removed on the way out. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Announces what takes a while, in the manner of the Makefile. */
void say(const char *what, const char *label);

double now_ns(void);

/* groups.c: gives their number, which is smaller where something is not there. */
#define MOST_GROUPS 32

uint32_t make_groups(struct group groups[MOST_GROUPS]);

/* What groups are made of: the variants. */
void group_begin(struct group *group, const char *id, const char *label);
struct variant *group_add(struct group *group, const char *id, const char *label,
			  const struct variant *against);
int group_add_rival(struct group *group, const char *id, const char *label,
		    const struct variant *against, const char *program, const char *map,
		    uint32_t entries);
const struct variant *group_add_floor(struct group *group);

/* The trie of the same prefixes, held against `ours`; says what both cost to fill. */
struct cost;
void group_add_trie(struct group *group, struct variant *ours, struct cost *cost, int family,
		    const struct prefix *prefixes, uint32_t count);

/* sets.c, balance.c, packets.c: more groups; they give the place behind theirs. */
struct group *make_sets(struct group *groups);
struct group *make_balances(struct group *groups);
struct group *make_packets(struct group *groups);

/* cgroup.c */
void cgroups_open(void);
void cgroups_remove(void);
void variant_place(struct variant *variant, int family);

/* random.c */
void random_seed(uint64_t seed);
struct prefix *random_prefixes(int family, uint32_t count);
struct prefix *random_hosts(int family, uint32_t count); /* of full length */
struct random_rule *random_rules(uint32_t count);
struct random_rule *random_endpoint_rules(uint32_t count);
struct stream stream_of_hosts(const struct prefix *hosts, uint32_t count);
bool random_rule_has(const struct random_rule *rule,
		     const union address *address); /* of IPv4, for UDP */
struct stream stream_of_one(uint32_t addr, uint16_t port);
struct stream stream_of_prefixes(int family, const struct prefix *prefixes, uint32_t count);
struct stream stream_of_rules(const struct random_rule *rules, uint32_t count);
struct prefix prefix_of_addr4(uint32_t addr);
uint32_t prefix_addr4(const struct prefix *prefix);
void prefix_text(int family, const struct prefix *prefix, char *text, size_t size);

/* rival.c */
int rival_attach(struct variant *variant, const char *program, const char *map, uint32_t entries);
void rival_attach_balancer(struct variant *variant, const struct prefix *vips, uint32_t count,
			   uint16_t port, uint32_t backends, struct cost *cost);
void rival_put_endpoint(int map, uint32_t addr, uint16_t port);
void rival_fill_set(int map, const struct prefix *hosts, uint32_t count);
void rival_fill_trie(int map, int family, const struct prefix *prefixes, uint32_t count);
uint64_t map_bytes(int map);

/* nft.c: nftables, in network namespaces that end in a device which drops what it is given. */
bool nft_is_there(void);
void sink_enter(void);
void sink_leave(void);
FILE *nft_script(void);
double nft_run(FILE *script); /* ms; closes it */

/* gate.c: policies to images to gates. */
struct cost {
	double load_ms; /* the list from its file, or the rules from their text */
	double compile_ms;
	double publish_ms; /* into a gate that has its programs */
	uint64_t image_bytes;
	uint64_t kernel_bytes; /* of the map that holds the image, or of the live table */
	double rival_ms;       /* to fill the rival's map, or to run nft; 0: there is none */
	uint64_t rival_bytes;  /* of that map; 0: not known */
};

/* Published, and attached to nothing; NULL where this kernel lacks what it takes. */
struct tg_gate *gate_of_rule(const struct tg_rule *rule, const char *endpoint, const char *proto);
void gate_with_rule(struct variant *variant, const struct tg_rule *rule, const char *endpoint,
		    const char *proto);
void gate_with_rules(struct variant *variant, const struct random_rule *rules, uint32_t count,
		     struct cost *cost);
void gate_with_prefixes(struct variant *variant, int family, const struct prefix *prefixes,
			uint32_t count, struct cost *cost);

void gate_with_set(struct variant *variant, int family, const struct prefix *prefixes,
		   uint32_t count, struct cost *cost);

/* Backends of the service `number`, from 0 on, as they follow from it: host order. */
#define BACKEND_ADDR(number, backends, i) (0x0b000000u + (number) * (backends) + (i))
#define BACKEND_PORT                      8080
#define VIP_PORT                          443

/* A fixed list of backends behind one endpoint; weighted: the last has three times the weight. */
void gate_with_backends(struct variant *variant, const char *endpoint, uint32_t backends,
			bool weighted, bool reveal);
/* A live service, of UDP, for each VIP. */
void gate_with_services(struct variant *variant, const struct prefix *vips, uint32_t count,
			uint32_t backends, struct cost *cost);

/* main.c: results, one JSON object a line. */
void report_cost(const struct group *group, const struct cost *cost);

/* check.c */
void check_programs(const struct group *groups, uint32_t count);
void check_errors(const struct group *groups, uint32_t count);
void check_rules(const struct group *group, const struct variant *variant,
		 const struct random_rule *rules, uint32_t count);
void check_prefixes(const struct group *group, const struct variant *variant, int trie);
/* `dropping`: what our gate's rules match, and nothing else, fails with it. */
void check_dropped(const struct group *group, const struct variant *ours,
		   const struct variant *dropping);
void check_balance(const struct group *group, const struct variant *variant,
		   const struct prefix *vips, uint32_t count, uint32_t backends);

/* loop.c */
int call_once(const struct variant *variant, int socket, const union address *address);
struct bpf_prog_info program_info(const struct variant *variant);
int count_runs(void);
uint32_t measure_calls(struct group *groups, uint32_t count, double seconds);
void measure_runs(struct group *groups, uint32_t count, double seconds);

/* hooks.c: to be called before there is a gate. */
void measure_hooks(void);

/* samples.c: `against` is taken off, value by value; NULL: nothing is. */
void samples_add(struct samples *samples, double value);
double samples_quantile(const struct samples *samples, const struct samples *against, double q);

#endif
