/* SPDX-License-Identifier: MIT */
/*
 * Enforce an image on a cgroup and print its events, from the program's own epoll loop. The loop
 * also has room for other work: here it reads lines, and changes a set of the policy.
 *
 *   gcc -o enforce-image 01-enforce-image.c $(pkg-config --cflags --libs tidegate)
 *   tidegate compile web.lua -o web.image
 *   sudo ./enforce-image web.image /sys/fs/cgroup/app
 *   ban 192.0.2.1
 *   unban 192.0.2.1
 *
 * The policy needs a rule with that set: deny { "ban", egress = set "banned" {} }
 *
 * If Tidegate was installed with another PREFIX, set PKG_CONFIG_PATH=PREFIX/lib/pkgconfig for
 * pkg-config, and LD_LIBRARY_PATH=PREFIX/lib for the program.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <tidegate.h>

#define EVENTS 64 /* that are taken in one turn of the loop, so that others get theirs */

/* Print events that are waiting. Returns how many, or -1. */
static int print_events(struct tg_gate *gate)
{
	static struct tg_event events[EVENTS] = {{.size = sizeof(struct tg_event)}};
	char text[TG_EVENT_TEXT];
	uint32_t count;

	if (tg_gate_read_events(gate, events, EVENTS, &count))
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		if (tg_event_format(gate, &events[i], TG_FORMAT_TEXT, text, sizeof(text)))
			return -1;
		puts(text);
	}
	return (int)count;
}

/* "ban 192.0.2.1", "unban 192.0.2.0/24" */
static void run_line(const struct tg_gate *gate, char *line)
{
	const char *word = strtok(line, " \t\r");
	const char *item = strtok(NULL, " \t\r");
	bool add = word && !strcmp(word, "ban");
	struct tg_set_entry entry = {.size = sizeof(entry), .item = item};
	struct tg_set *banned;
	uint32_t removed = 0;
	int error;

	if (!word)
		return;
	if (!item || strtok(NULL, " \t\r") || (!add && strcmp(word, "unban"))) {
		warnx("wants ban ADDRESS or unban ADDRESS; a prefix such as 192.0.2.0/24 is fine, "
		      "too");
		return;
	}
	error = tg_gate_find_set(gate, "banned", &banned);
	if (!error)
		error = add ? tg_set_add(banned, &entry, 1)
			    : tg_set_remove(banned, &item, 1, &removed);
	if (error)
		warnx("%s", tg_error());
	else if (!add && !removed)
		warnx("%s was not banned", item);
	else
		warnx("%s is %s", item, add ? "banned" : "no longer banned");
}

/* What was read, up to the end of the last line. */
struct input {
	char text[256];
	size_t count;
	bool skip; /* up to the next newline: the line was too long */
};

static void run_lines(struct input *input, const struct tg_gate *gate)
{
	char *end;

	while ((end = memchr(input->text, '\n', input->count))) {
		size_t taken = (size_t)(end - input->text) + 1;

		*end = 0;
		if (!input->skip)
			run_line(gate, input->text);
		input->skip = false;
		input->count -= taken;
		memmove(input->text, end + 1, input->count);
	}
	if (input->count == sizeof(input->text)) {
		if (!input->skip)
			warnx("a line of more than %zu bytes is ignored", sizeof(input->text) - 1);
		input->skip = true;
		input->count = 0;
	}
}

/* Read lines and run them. False: standard input has ended. */
static bool read_input(struct input *input, const struct tg_gate *gate)
{
	ssize_t got =
		read(STDIN_FILENO, input->text + input->count, sizeof(input->text) - input->count);

	if (got < 0 && errno == EINTR)
		return true;
	if (got > 0)
		input->count += (size_t)got;
	else
		input->text[input->count++] = '\n'; /* the last line may lack it */
	run_lines(input, gate);
	return got > 0;
}

/*
 * A descriptor to read SIGINT and SIGTERM from. Ignore the signals that would end or stop the
 * program if nobody reads its output, or if it reads the terminal in the background.
 */
static int open_signals(void)
{
	sigset_t ending;
	int fd;

	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	fd = signalfd(-1, &ending, SFD_CLOEXEC);
	if (fd < 0)
		err(1, "signalfd");
	return fd;
}

static void watch(int loop, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	/* Files, and /dev/null, cannot be waited for: there are no lines to read then. */
	if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) && !(errno == EPERM && fd == STDIN_FILENO))
		err(1, "epoll_ctl");
}

/* The program's loop. It ends when a signal comes. */
static int run(struct tg_gate *gate)
{
	int loop = epoll_create1(EPOLL_CLOEXEC), signals = open_signals();
	struct input input = {0};
	bool stopped = false;

	if (loop < 0)
		err(1, "epoll_create1");
	watch(loop, tg_gate_event_fd(gate));
	watch(loop, signals);
	watch(loop, STDIN_FILENO);
	warnx("the image is enforced; Ctrl-C ends it");
	while (!stopped) {
		struct epoll_event ready[3];
		int count = epoll_wait(loop, ready, 3, -1);

		if (count < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.fd;

			if (fd == signals)
				stopped = true;
			else if (fd == STDIN_FILENO && !read_input(&input, gate))
				epoll_ctl(loop, EPOLL_CTL_DEL, fd, NULL);
			else if (fd != STDIN_FILENO && print_events(gate) < 0)
				return -1;
		}
	}
	close(signals);
	close(loop);
	return 0;
}

/* Detach, and print the last events. */
static int finish(struct tg_gate *gate)
{
	struct tg_gate_stats stats = {.size = sizeof(stats)};
	int count;

	if (tg_gate_detach(gate, NULL))
		return -1;
	while ((count = print_events(gate)) > 0)
		;
	if (count < 0 || tg_gate_stats(gate, NULL, 0, &stats))
		return -1;
	if (stats.lost)
		warnx("%ju events were lost: the ring was full", (uintmax_t)stats.lost);
	return 0;
}

int main(int argc, char **argv)
{
	struct tg_image *image;
	struct tg_gate *gate = NULL;
	int error;

	if (argc != 3)
		errx(2, "wants an image and a cgroup (a folder of cgroup2, self, pid:PID, "
			"unit:NAME.service)");
	setlinebuf(stdout); /* events appear at once, even if the output is a pipe */
	if (tg_image_load(argv[1], &image))
		errx(1, "%s\nTo make an image, run: tidegate compile POLICY -o IMAGE", tg_error());
	error = tg_gate_new(NULL, &gate) || tg_gate_publish(gate, image, NULL) ||
		tg_gate_attach(gate, argv[2], NULL, NULL) || run(gate) || finish(gate);
	if (error)
		warnx("%s", tg_error());
	tg_gate_close(gate);
	tg_image_free(image);
	return error;
}
