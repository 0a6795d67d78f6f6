/* SPDX-License-Identifier: MIT */
/*
 * Enforce an image on a cgroup and print its events, from the program's own poll loop. The loop
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
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <tidegate.h>

#define TEXT_BYTES 128 /* room for any endpoint and any name */

/* Other programs choose names and paths: let no control characters through to the terminal. */
static void copy_printable(char *text, const uint8_t *bytes, size_t count)
{
	while (count && !bytes[count - 1])
		count--;
	for (size_t i = 0; i < count; i++)
		text[i] = isprint(bytes[i]) ? (char)bytes[i] : '?';
	text[count] = 0;
}

/* "1.2.3.4:80", "[::1]:80", "unix:/run/x.sock", "unix:@name" */
static void format_endpoint(char *text, const uint8_t *address, uint16_t port_be,
			    const uint8_t *path, size_t path_bytes)
{
	char host[INET6_ADDRSTRLEN];

	if (path_bytes) {
		strcpy(text, path[0] ? "unix:" : "unix:@");
		copy_printable(text + strlen(text), path + !path[0], path_bytes - !path[0]);
		return;
	}
	tg_addr_format(address, host, sizeof(host));
	snprintf(text, TEXT_BYTES, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, ntohs(port_be));
}

/* `curl[42] connect4 10.0.0.1:80: no-lan denies it: EPERM` */
static void print_event(const struct tg_event *event, const struct tg_image *image)
{
	struct tg_rule_info rule = {.size = sizeof(rule), .name = "the default"};
	char comm[TEXT_BYTES], asked[TEXT_BYTES], final[TEXT_BYTES];

	tg_image_rule(image, event->rule,
		      &rule); /* fails, and changes nothing, if no rule decided */
	copy_printable(comm, event->comm, sizeof(event->comm));
	format_endpoint(asked, event->asked_addr, event->asked_port_be, event->asked_path,
			event->asked_path_bytes);
	format_endpoint(final, event->final_addr, event->final_port_be, event->final_path,
			event->final_path_bytes);
	printf("%s[%u] %s %s: %s ", comm, event->pid, tg_hook_name(event->hook), asked, rule.name);
	if (event->verb == TG_VERB_DENY)
		printf("denies it: %s", tg_errno_name(event->error));
	else if (strcmp(asked, final))
		printf("sends it to %s", final);
	else
		printf("lets it through");
	puts(event->shadow ? " (shadow: the call went on)" : "");
}

/* Print all events that are in the ring now, and give their space back to the kernel. */
static int print_events(struct tg_gate *gate, const struct tg_image *image)
{
	const struct tg_event *events;
	uint32_t count;

	if (tg_gate_events(gate, &events, &count))
		return -1;
	for (uint32_t i = 0; i < count; i++)
		print_event(&events[i], image);
	tg_gate_consume(gate, count);
	return 0;
}

/* "ban 192.0.2.1", "unban 192.0.2.0/24" */
static void run_line(const struct tg_gate *gate, char *line)
{
	const char *word = strtok(line, " \t\r");
	const char *item = strtok(NULL, " \t\r");
	bool add = word && !strcmp(word, "ban");
	struct tg_set *banned;
	int result;

	if (!word)
		return;
	if (!item || strtok(NULL, " \t\r") || (!add && strcmp(word, "unban"))) {
		warnx("wants ban ADDRESS or unban ADDRESS; a prefix such as 192.0.2.0/24 is fine, "
		      "too");
		return;
	}
	result = tg_gate_set(gate, "banned", &banned);
	if (!result)
		result = add ? tg_set_add(banned, &item, 1, TG_TTL_DEFAULT)
			     : tg_set_remove(banned, item);
	if (result < 0)
		warnx("%s", tg_error());
	else if (!add && !result)
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

/* The program's loop. It ends when a signal comes. */
static int serve(struct tg_gate *gate, const struct tg_image *image)
{
	struct tg_gate_status status = {.size = sizeof(status)};
	struct input input = {0};
	struct pollfd ready[] = {
		{.fd = tg_gate_event_fd(gate), .events = POLLIN},
		{.fd = open_signals(), .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN},
	};
	int error;

	warnx("the image is enforced; Ctrl-C ends it");
	do {
		if (poll(ready, 3, -1) < 0 && errno != EINTR)
			err(1, "poll");
		if (ready[2].revents && !read_input(&input, gate))
			ready[2].fd = -1;
		error = print_events(gate, image);
	} while (!error && !ready[1].revents);
	error = error || tg_gate_detach(gate) || print_events(gate, image) ||
		tg_gate_status(gate, &status);
	if (!error && status.lost)
		warnx("%ju events were lost: the ring was full", (uintmax_t)status.lost);
	return error;
}

int main(int argc, char **argv)
{
	struct tg_image *image;
	struct tg_gate *gate = NULL;
	char cgroup[4096];
	int error;

	if (argc != 3)
		errx(2, "wants an image and a cgroup (a folder of cgroup2, self, pid:PID, "
			"unit:NAME.service)");
	setlinebuf(stdout); /* events appear at once, even if the output is a pipe */
	if (tg_image_load(argv[1], &image))
		errx(1, "%s\nTo make an image, run: tidegate compile POLICY -o IMAGE", tg_error());
	error = tg_cgroup_find(argv[2], cgroup, sizeof(cgroup)) || tg_gate_open(NULL, &gate) ||
		tg_gate_publish(gate, image) || tg_gate_attach(gate, cgroup) || serve(gate, image);
	if (error)
		warnx("%s", tg_error());
	tg_gate_close(gate);
	tg_image_free(image);
	return error;
}
