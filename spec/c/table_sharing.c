/* SPDX-License-Identifier: MIT */
/*
 * table_sharing.c - a set that threads of two processes change at once, and one whose lock
 * another process never gives back.
 *
 *   table_sharing IMAGE
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "draw.h"
#include "gate/gate.h"
#include "tidegate.h"

#define THREADS 4
#define CHANGES 3000 /* a thread */

struct worker {
	struct tg_set *set;
	uint32_t number;
};

/* Each thread adds and removes elements of its own, and leaves one. */
static void *change(void *argument)
{
	struct worker *worker = argument;
	char text[16];
	const char *item = text;
	struct tg_set_entry entry = {.size = sizeof(entry), .item = text};

	for (uint32_t i = 0; i < CHANGES; i++) {
		snprintf(text, sizeof(text), "10.%u.0.%u", worker->number, i % 50);
		MUST(!tg_set_add(worker->set, &entry, 1));
		MUST(!tg_set_remove(worker->set, &item, 1, NULL));
	}
	MUST(!tg_set_add(worker->set, &entry, 1));
	return NULL;
}

static void run_threads(struct tg_set *set, uint32_t first)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){set, first + i};
		MUST(!pthread_create(&threads[i], NULL, change, &workers[i]));
	}
	for (uint32_t i = 0; i < THREADS; i++)
		MUST(!pthread_join(threads[i], NULL));
}

static void count_is_exact(struct tg_set *set)
{
	struct tg_set_info info = {.size = sizeof(info)};
	struct tg_set_element element = {.size = sizeof(element)};
	uint64_t cursor = 0;
	uint32_t walked = 0;
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	run_threads(set, pid ? 0 : THREADS);
	if (!pid)
		_exit(0);
	MUST(waitpid(pid, &status, 0) == pid && !status);
	MUST(!tg_set_info(set, &info));
	while (tg_set_next(set, &cursor, &element) == 1)
		walked++;
	MUST(info.count == 2 * THREADS && walked == info.count);
}

/* A process that has the table, and stops inside a change. */
static pid_t start_holder(const struct tg_set *set)
{
	int ready[2];
	char byte;
	pid_t pid;

	MUST(!pipe(ready));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		MUST(!tg_table_lock(&set->live.table));
		MUST(write(ready[1], "", 1) == 1);
		for (;;)
			pause();
	}
	MUST(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void wait_is_bounded(struct tg_set *set)
{
	struct tg_set_entry entry = {.size = sizeof(entry), .item = "10.9.9.9"};
	struct tg_set_element element = {.size = sizeof(element)};
	pid_t pid = start_holder(set);

	MUST(tg_set_add(set, &entry, 1) == -EBUSY);
	printf("%s\n", tg_error());
	MUST(tg_set_find(set, "10.9.9.9", &element) == 0);
	kill(pid, SIGKILL);
	MUST(waitpid(pid, NULL, 0) == pid);
	MUST(!tg_set_add(set, &entry, 1));
}

int main(int argc, char **argv)
{
	struct tg_image *image;
	struct tg_gate *gate;
	struct tg_set *set;

	MUST(argc == 2 && !tg_image_load(argv[1], &image));
	MUST(!tg_gate_new(NULL, &gate) && !tg_gate_publish(gate, image, NULL));
	MUST(!tg_gate_find_set(gate, "s", &set));
	count_is_exact(set);
	wait_is_bounded(set);
	tg_gate_close(gate);
	tg_image_free(image);
	return 0;
}
