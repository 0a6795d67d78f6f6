/* SPDX-License-Identifier: MIT */
/*
 * Enforce an image on a cgroup, and start a worker that is not to be trusted with it: the worker
 * becomes another user and restricts the gate. Then it changes a set of the policy and reads
 * counters, and shows that it can do nothing else.
 *
 *   gcc -o worker 04-worker.c $(pkg-config --cflags --libs tidegate)
 *   tidegate compile web.lua -o web.image
 *   sudo ./worker web.image /sys/fs/cgroup/app
 *
 * The policy needs a rule with that set: deny { "ban", connect = set "banned" {} }
 *
 * If Tidegate was installed with another PREFIX, set PKG_CONFIG_PATH=PREFIX/lib/pkgconfig for
 * pkg-config, and LD_LIBRARY_PATH=PREFIX/lib for the program.
 */
#include <err.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tidegate.h>

#define NOBODY 65534
#define BANNED "192.0.2.7"

struct host {
	struct tg_gate *gate;
	struct tg_image *image;
	const char *cgroup;
};

/* 1: the address is banned; 0: it is not; negative: see tg_error(). */
static int is_banned(const struct tg_gate *gate)
{
	struct tg_set_element element = {.size = sizeof(element)};
	struct tg_set *banned;
	int error = tg_gate_find_set(gate, "banned", &banned);

	return error ? error : tg_set_find(banned, BANNED, &element);
}

/* --- The worker ------------------------------------------------------------------------- */

/* Root's supplementary groups go first: another user may not give them up. */
static void become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		err(1, "cannot become another user");
}

/*
 * What code of an attacker would do: make the kernel attach each descriptor that the process has
 * inherited, without the library. With how many this goes well.
 */
static int attach_by_hand(const char *cgroup)
{
	int target = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;

	if (target < 0)
		err(1, "%s", cgroup);
	for (int fd = 0; fd < 1024; fd++) {
		union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t)fd,
						       .target_fd = (uint32_t)target,
						       .attach_type = BPF_CGROUP_INET4_CONNECT}};
		long link = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

		if (link >= 0 && !close((int)link))
			count++;
	}
	close(target);
	return count;
}

static int do_its_work(struct tg_gate *gate)
{
	struct tg_set_entry entry = {.size = sizeof(entry), .item = BANNED};
	struct tg_counters counters;
	struct tg_set *banned;

	if (tg_gate_find_set(gate, "banned", &banned) || tg_set_add(banned, &entry, 1) ||
	    is_banned(gate) != 1 || tg_gate_rule_counters(gate, 0, &counters))
		return -1;
	printf("worker: bans " BANNED ", and reads that rule 1 has %ju hits\n",
	       (uintmax_t)counters.hits);
	return 0;
}

static void tell(const char *call, int result)
{
	printf("worker: %s: %s\n", call, result ? tg_error() : "done, which must not be");
}

static int work(struct host *host)
{
	struct tg_gate *gate = host->gate;

	become_nobody();
	printf("worker: as another user, attaches %d of its descriptors by hand\n",
	       attach_by_hand(host->cgroup));
	if (tg_gate_restrict(gate, TG_MAY_TABLES | TG_MAY_STATS))
		return -1;
	printf("worker: restricted, attaches %d\n", attach_by_hand(host->cgroup));
	if (do_its_work(gate))
		return -1;
	tell("tg_gate_attach()", tg_gate_attach(gate, host->cgroup, NULL, NULL));
	tell("tg_gate_detach()", tg_gate_detach(gate, NULL));
	tell("tg_gate_publish()", tg_gate_publish(gate, host->image, NULL));
	return 0;
}

/* --- The host --------------------------------------------------------------------------- */

static void finish(struct host *host)
{
	tg_gate_close(host->gate);
	tg_image_free(host->image);
}

/* Until then the image stays in force, whatever the worker has tried. */
static int wait_for_signal(struct tg_gate *gate)
{
	sigset_t ending;
	int number;

	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	warnx("the image is enforced; Ctrl-C ends it");
	sigwait(&ending, &number);
	return tg_gate_detach(gate, NULL);
}

/* The worker ends by _exit(): what exit() would run belongs to the host. */
static int run_worker(struct host *host)
{
	int failed, status = 0;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		failed = work(host);
		if (failed)
			warnx("worker: %s", tg_error());
		finish(host);
		_exit(failed ? 1 : 0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "the worker has failed");
	if (is_banned(host->gate) == 1)
		puts("host: " BANNED " is banned");
	return wait_for_signal(host->gate);
}

int main(int argc, char **argv)
{
	struct host host = {.cgroup = argv[argc - 1]};
	int error;

	if (argc != 3)
		errx(2, "wants an image and the folder of a cgroup");
	setlinebuf(stdout); /* what the worker prints is not lost when it ends by _exit() */
	error = tg_image_load(argv[1], &host.image) || tg_gate_new(NULL, &host.gate) ||
		tg_gate_publish(host.gate, host.image, NULL) ||
		tg_gate_attach(host.gate, host.cgroup, NULL, NULL) || run_worker(&host);
	if (error)
		warnx("%s", tg_error());
	finish(&host);
	return error;
}
