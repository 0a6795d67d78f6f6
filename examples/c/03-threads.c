/* SPDX-License-Identifier: MIT */
/*
 * Enforce an image on a cgroup in a program with threads: one controls the gate, and publishes
 * the image again at SIGHUP; one reads the events; one fills a set of the policy with the addresses
 * of a file, whenever the file changes.
 *
 *   gcc -o threads 03-threads.c $(pkg-config --cflags --libs tidegate) -pthread
 *   tidegate compile web.lua -o web.image
 *   sudo ./threads web.image /sys/fs/cgroup/app blocklist.txt
 *
 * The policy needs a rule with that set: deny { "ban", egress = set "banned" {} }
 *
 * If Tidegate was installed with another PREFIX, set PKG_CONFIG_PATH=PREFIX/lib/pkgconfig for
 * pkg-config, and LD_LIBRARY_PATH=PREFIX/lib for the program.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tidegate.h>

#define EVENTS     64   /* that are taken at a time */
#define REFRESH_MS 1000 /* how often the list is looked at */

struct host {
	struct tg_gate *gate;
	const char *image;
	const char *list;
	int stop; /* becomes readable when the threads must end */
	atomic_bool failed;
};

/* End the program, because a thread has failed. The text of an error belongs to its thread. */
static void fail(struct host *host)
{
	warnx("%s", tg_error());
	host->failed = true;
	kill(getpid(), SIGTERM);
}

/* --- The thread that reads events ----------------------------------------------------- */

static int print_events(struct tg_gate *gate, uint32_t *count)
{
	struct tg_event events[EVENTS] = {{.size = sizeof(struct tg_event)}};
	char text[TG_EVENT_TEXT];

	if (tg_gate_read_events(gate, events, EVENTS, count))
		return -1;
	for (uint32_t i = 0; i < *count; i++) {
		if (tg_event_format(gate, &events[i], TG_FORMAT_JSON, text, sizeof(text)))
			return -1;
		puts(text);
	}
	return 0;
}

/* It ends when it is told to and no events are left. */
static void *read_events(void *data)
{
	struct host *host = data;
	struct pollfd ready[] = {
		{.fd = tg_gate_event_fd(host->gate), .events = POLLIN},
		{.fd = host->stop, .events = POLLIN},
	};
	uint32_t count;

	do {
		if (poll(ready, 2, -1) < 0 && errno != EINTR)
			err(1, "poll");
		if (print_events(host->gate, &count)) {
			fail(host);
			return NULL;
		}
	} while (count || !ready[1].revents);
	return NULL;
}

/* --- The thread that changes a set ---------------------------------------------------- */

/* Whether the list is another file than at the last call, or was written to since. */
static bool has_changed(const char *path, struct stat *known)
{
	struct stat now = {0};
	bool changed;

	stat(path, &now); /* if that fails, tg_set_load() says why */
	changed = now.st_ino != known->st_ino || now.st_mtim.tv_sec != known->st_mtim.tv_sec ||
		  now.st_mtim.tv_nsec != known->st_mtim.tv_nsec;
	*known = now;
	return changed;
}

static void *follow_list(void *data)
{
	struct host *host = data;
	struct pollfd stop = {.fd = host->stop, .events = POLLIN};
	struct stat known = {0};
	struct tg_set *banned;

	if (tg_gate_find_set(host->gate, "banned", &banned)) {
		fail(host);
		return NULL;
	}
	do {
		/* A call sees either the old elements or the new ones. */
		if (has_changed(host->list, &known) &&
		    tg_set_load(banned, host->list, 0, TG_SET_REPLACE))
			warnx("%s", tg_error());
	} while (poll(&stop, 1, REFRESH_MS) <= 0);
	return NULL;
}

/* --- The thread that controls the gate -------------------------------------------------- */

/* Publish the image, in one step. If that fails, nothing has changed. */
static int publish(struct host *host)
{
	struct tg_image *image;
	int error = tg_image_load(host->image, &image);

	if (error)
		return error;
	error = tg_gate_publish(host->gate, image, NULL);
	tg_image_free(image);
	return error;
}

/* Only this thread gets signals: the others inherit the mask. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN); /* the image stays in force even if nobody reads the output */
}

/* Until a signal ends the program. */
static void wait_for_signals(struct host *host, const sigset_t *signals)
{
	int number;

	warnx("%s is enforced; Ctrl-C ends it, SIGHUP reads it again", host->image);
	while (!sigwait(signals, &number) && number == SIGHUP)
		warnx("%s", publish(host) ? tg_error() : "the image was read again");
}

static int run(struct host *host)
{
	pthread_t reader, list;
	sigset_t signals;
	int error;

	block_signals(&signals);
	host->stop = eventfd(0, EFD_CLOEXEC);
	if (host->stop < 0 || pthread_create(&reader, NULL, read_events, host) ||
	    pthread_create(&list, NULL, follow_list, host))
		err(1, "cannot start the threads");
	wait_for_signals(host, &signals);
	error = tg_gate_detach(host->gate, NULL);
	eventfd_write(host->stop, 1);
	pthread_join(reader, NULL);
	pthread_join(list, NULL);
	close(host->stop);
	return error;
}

int main(int argc, char **argv)
{
	struct host host = {0};
	int error;

	if (argc != 4)
		errx(2, "wants an image, a cgroup (a folder of cgroup2, self, pid:PID, "
			"unit:NAME.service) and a list of addresses");
	setlinebuf(stdout); /* events appear at once, even if the output is a pipe */
	host.image = argv[1];
	host.list = argv[3];
	error = tg_gate_new(NULL, &host.gate) || publish(&host) ||
		tg_gate_attach(host.gate, argv[2], NULL, NULL) || run(&host);
	if (error)
		warnx("%s", tg_error());
	tg_gate_close(host.gate);
	return error || host.failed;
}
