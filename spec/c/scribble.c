/* SPDX-License-Identifier: MIT */
/*
 * scribble.c - a hostile process writes anything to all that it shares with a privileged one,
 * which uses every call of the library on it.
 *
 *   scribble SEED ROUNDS CGROUP IMAGE SET_FILE
 *
 * The sanitizers, which the core is built with, end it if anything reads or writes outside.  In
 * half of the rounds the damage is done before the calls, in the others by another process
 * meanwhile. The call that took longest is printed: no table may make a call endless.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "draw.h"
#include "gate/gate.h"
#include "tidegate.h"

#define MOST_SECONDS  60  /* of a round: SIGALRM ends the program */
#define PUBLISH_EVERY 100 /* rounds */

/* --- Damage ------------------------------------------------------------------------------- */

struct region {
	unsigned char *at;
	size_t bytes;
};

struct regions {
	struct region at[32];
	uint32_t count;
};

static void add_region(struct regions *regions, const void *at, size_t bytes)
{
	if (at && bytes)
		regions->at[regions->count++] = (struct region){(unsigned char *)at, bytes};
}

/* All that processes of a gate share and may write. */
static struct regions shared_by(const struct tg_gate *gate)
{
	const struct tg_counter_maps *counters = &gate->counters;
	struct regions regions = {0};

	for (uint32_t i = 0; i < gate->tables.count; i++)
		add_region(&regions, gate->tables.at[i]->table.rows.rows,
			   (size_t)gate->tables.at[i]->table.rows.count * TG_ROW_BYTES);
	for (uint32_t i = 0; i < gate->lists.count; i++)
		add_region(&regions, gate->lists.at[i].blocks.rows,
			   (size_t)gate->lists.at[i].blocks.count * TG_ROW_BYTES);
	add_region(&regions, counters->hits,
		   (size_t)counters->slot_count * counters->copies * sizeof(struct tg_hits));
	add_region(&regions, counters->slots, counters->slot_count * sizeof(struct tg_slot));
	add_region(&regions, gate->totals,
		   gate->copies * TG_HOOK_COUNT * sizeof(struct tg_hook_totals));
	add_region(&regions, gate->ring.consumer, sizeof(*gate->ring.consumer));
	return regions;
}

/* Mostly the first rows, which say where everything is. */
static void damage(const struct region *region)
{
	size_t bytes = region->bytes, from = 0;

	if (below(2) && bytes > 20 * TG_ROW_BYTES)
		bytes = (1 + below(20)) * TG_ROW_BYTES;
	if (below(2))
		from = below(bytes);
	switch (below(5)) {
	case 0:
		memset(region->at + from, 0xff, bytes - from);
		break;
	case 1:
		memset(region->at + from, 0, bytes - from);
		break;
	case 2:
		for (size_t i = from; i < bytes; i++)
			region->at[i] = (unsigned char)draw();
		break;
	case 3:
		for (uint32_t i = 0; i < 8; i++)
			region->at[below(bytes)] = (unsigned char)draw();
		break;
	default:
		region->at[below(bytes)] ^= 1u << below(8);
	}
}

static void damage_some(const struct regions *regions)
{
	for (uint32_t i = 0; i < 1 + below(4); i++)
		damage(&regions->at[below(regions->count)]);
}

/* Another process does damage until it is killed. */
static pid_t start_vandal(const struct regions *regions)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		damage_some(regions);
}

/* --- Calls -------------------------------------------------------------------------------- */

static const char *const items[] = {"10.0.0.0/8", "10.1.2.3",    "10.1.2.0/24",   "192.0.2.7",
				    "0.0.0.0/0",  "2001:db8::1", "2001:db8::/32", "::/0"};
#define ITEMS (sizeof(items) / sizeof(*items))

static const char *const vips[] = {"10.96.0.10:80/tcp", "10.96.0.11:80/tcp",
				   "[2001:db8::96]:80/tcp"};
#define VIPS (sizeof(vips) / sizeof(*vips))

static const char *some_vip(void)
{
	return vips[below(VIPS)];
}

static void use_set(struct tg_set *set, const char *path)
{
	struct tg_set_entry entries[ITEMS] = {0};
	struct tg_set_element element = {.size = sizeof(element)};
	struct tg_set_info info = {.size = sizeof(info)};
	uint64_t cursor = 0;
	uint32_t removed;

	for (uint32_t i = 0; i < ITEMS; i++)
		entries[i] = (struct tg_set_entry){
			.size = sizeof(entries[i]),
			.item = items[below(ITEMS)],
			.ttl_ms = below(2) ? 1 + below(20) : 0,
		};
	tg_set_add(set, entries, 1 + below(ITEMS));
	tg_set_find(set, items[1], &element);
	tg_set_remove(set, items, 1 + below(ITEMS), &removed);
	tg_set_info(set, &info);
	for (uint32_t i = 0; i < 100000 && tg_set_next(set, &cursor, &element) == 1; i++)
		;
	if (!below(4))
		tg_set_replace(set, entries, below(ITEMS));
	if (!below(8))
		tg_set_load(set, path, 0, below(2) ? TG_SET_REPLACE : 0);
}

static void use_services(struct tg_services *services)
{
	struct tg_backend_spec backends[3] = {0};
	struct tg_services_info info = {.size = sizeof(info)};
	struct tg_vip_info vip = {.size = sizeof(vip)};
	struct tg_backend_info found[300] = {{.size = sizeof(*found)}};
	uint64_t cursor = 0;
	uint32_t count;

	for (uint32_t i = 0; i < 3; i++)
		backends[i] = (struct tg_backend_spec){
			.size = sizeof(*backends),
			.address = i ? i == 1 ? "127.0.0.2:8080" : "127.0.0.3:8080" : "[::1]:8080",
			.weight = 1 + below(9),
		};
	tg_services_put(services, some_vip(), backends + 1, below(3), 0, NULL);
	tg_services_put_backend(services, some_vip(), &backends[below(3)], 0, NULL);
	tg_services_remove_backend(services, some_vip(), "127.0.0.2:8080", 0, NULL);
	tg_services_backends(services, some_vip(), found, 300, &count);
	tg_services_info(services, &info);
	for (uint32_t i = 0; i < 100000 && tg_services_next(services, &cursor, &vip) == 1; i++)
		;
	if (below(2))
		tg_services_remove(services, some_vip(), 0, NULL);
}

static void read_counters(const struct tg_gate *gate)
{
	struct tg_gate_stats stats = {.size = sizeof(stats)};
	struct tg_gate_status status = {.size = sizeof(status)};
	struct tg_counters counters[16] = {0};
	struct tg_backend_info backends[16] = {{.size = sizeof(*backends)}};
	uint64_t cursor = 0;
	uint32_t count, rule;

	tg_gate_status(gate, &status);
	tg_gate_stats(gate, counters, 16, &stats);
	for (uint32_t i = 0; i < 8; i++) {
		tg_gate_rule_counters(gate, i, &counters[0]);
		tg_gate_rule_backends(gate, i, backends, 16, &count);
	}
	for (uint32_t i = 0;
	     i < 100000 && tg_gate_backend_next(gate, &cursor, &rule, &backends[0]) == 1; i++)
		;
	cursor = draw();
	tg_gate_backend_next(gate, &cursor, &rule, &backends[0]);
}

static void read_events(struct tg_gate *gate)
{
	struct tg_event events[32] = {{.size = sizeof(*events)}};
	char text[TG_EVENT_TEXT];
	uint32_t count = 0;

	if (tg_gate_read_events(gate, events, 32, &count))
		return;
	for (uint32_t i = 0; i < count; i++) {
		tg_event_format(gate, &events[i], TG_FORMAT_TEXT, text, sizeof(text));
		tg_event_format(gate, &events[i], TG_FORMAT_JSON, text, sizeof(text));
	}
}

static void ask(const struct tg_gate *gate, const struct tg_image *image)
{
	static const char *const endpoints[] = {"10.1.2.3:80",   "10.96.0.10:80",
						"10.96.0.11:80", "[2001:db8::1]:80",
						"192.0.2.1:80",  "[2001:db8::96]:80"};
	struct tg_query query = {.size = sizeof(query)};
	struct tg_decision decision = {.size = sizeof(decision)};
	struct tg_backend_info backend = {.size = sizeof(backend)};
	uint64_t cursor = 0;
	uint32_t fields;

	tg_query_init(&query);
	query.op = TG_OP_CONNECT;
	query.proto = IPPROTO_TCP;
	MUST(!tg_query_endpoint(&query, endpoints[below(6)]));
	tg_image_decide(image, gate, &query, &decision);
	tg_image_mismatch(image, gate, &query, (uint32_t)below(4), &fields);
	for (uint32_t i = 0;
	     i < 1000 && tg_image_candidate_next(image, gate, &query, &cursor, &backend) == 1; i++)
		;
}

/* Let programs read the tables: whatever they decide, the call returns. */
static void connect_to(const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	MUST(fd >= 0);
	inet_pton(AF_INET, address, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		MUST(errno);
	close(fd);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- Rounds ------------------------------------------------------------------------------- */

struct target {
	struct tg_gate *gate;
	const struct tg_image *image;
	const char *path;
};

static void use_all(const struct target *target)
{
	struct tg_services *services;
	struct tg_set *set;

	MUST(!tg_gate_find_set(target->gate, "s", &set));
	MUST(!tg_gate_find_services(target->gate, "v", &services));
	use_set(set, target->path);
	use_services(services);
	read_counters(target->gate);
	read_events(target->gate);
	ask(target->gate, target->image);
	connect_to("10.1.2.3");
	connect_to("10.96.0.10");
	connect_to("198.51.100.1");
}

static uint64_t round_of(const struct target *target, uint32_t number)
{
	struct regions regions = shared_by(target->gate);
	bool meanwhile = number % 2;
	pid_t vandal = 0;
	uint64_t began, took;

	if (meanwhile)
		vandal = start_vandal(&regions);
	else
		damage_some(&regions);
	alarm(MOST_SECONDS);
	began = now_us();
	use_all(target);
	if (number % PUBLISH_EVERY < 2)
		tg_gate_publish(target->gate, target->image, NULL);
	took = now_us() - began;
	alarm(0);
	if (vandal) {
		kill(vandal, SIGKILL);
		waitpid(vandal, NULL, 0);
	}
	return took;
}

/* What an owner replaces is right again. */
static void mends(const struct target *target)
{
	struct tg_set_entry entry = {.size = sizeof(entry), .item = "10.1.2.3"};
	struct tg_set_element element = {.size = sizeof(element)};
	struct tg_set *set;

	MUST(!tg_gate_find_set(target->gate, "s", &set));
	MUST(!tg_set_replace(set, &entry, 1));
	MUST(tg_set_find(set, "10.1.2.3", &element) == 1);
	MUST(!tg_set_replace(set, NULL, 0));
	MUST(tg_set_find(set, "10.1.2.3", &element) == 0);
}

static void enter(const char *cgroup)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	MUST(fd >= 0 && write(fd, "0", 1) == 1);
	close(fd);
}

int main(int argc, char **argv)
{
	uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 0;
	struct target target;
	struct tg_image *image;
	uint64_t longest = 0;

	MUST(argc == 6);
	draw_from(strtoull(argv[1], NULL, 0));
	target.path = argv[5];
	MUST(!tg_image_load(argv[4], &image));
	target.image = image;
	MUST(!tg_gate_new(NULL, &target.gate));
	MUST(!tg_gate_publish(target.gate, image, NULL));
	MUST(!tg_gate_attach(target.gate, argv[3], NULL, NULL));
	enter(argv[3]);
	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t took = round_of(&target, i);

		longest = took > longest ? took : longest;
	}
	mends(&target);
	tg_gate_close(target.gate);
	tg_image_free(image);
	printf("%u rounds, the longest took %llu ms\n", rounds, (unsigned long long)longest / 1000);
	return 0;
}
