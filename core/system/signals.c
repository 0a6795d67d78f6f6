/* SPDX-License-Identifier: MIT */
/*
 * signals.c - note signals, so that Lua can end a function that does not return.
 *
 * The handlers are installed without SA_RESTART: a C function that waits returns to Lua, where the
 * interpreter's hook sees that a signal has come.  They may then call the handlers that were there:
 * those of libuv, but not that of the program luajit.
 */
#define _GNU_SOURCE /* SIGEV_SIGNAL timers */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "tidegate_private.h"

enum {
	MOST_INTERRUPTS = 3,
	PATIENCE_S = 5,
};

static volatile sig_atomic_t seen, interrupts;
static int wakeup = -1, terminal = -1, killing = -1, passing;
static struct sigaction before[SIGSYS + 1];
static struct termios modes;
static timer_t timer;

/* Let the command not go on without us. */
static void give_up(int number)
{
	static const char text[] = "\ntidegate: ended while a function was still running\n";

	if (terminal >= 0)
		tcsetattr(terminal, TCSANOW, &modes);
	if (killing >= 0 && write(killing, "1", 1) < 0)
		killing = -1;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(128 + number);
	_exit(128 + number);
}

static void set_timer(int seconds)
{
	struct itimerspec in = {.it_value.tv_sec = seconds};

	timer_settime(timer, 0, &in, NULL);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	const struct sigaction *old = &before[number];

	if (old->sa_flags & SA_SIGINFO)
		old->sa_sigaction(number, info, context);
	else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
		old->sa_handler(number);
}

static void note(int number, siginfo_t *info, void *context)
{
	uint64_t one = 1;
	int saved = errno;

	if (number == SIGALRM && info->si_code == SI_TIMER)
		give_up(seen ? seen : number);
	if (number != SIGALRM) {
		if (number == SIGINT && ++interrupts >= MOST_INTERRUPTS)
			give_up(number);
		/* A Ctrl-C does not replace an earlier signal that ends the process. */
		if (number != SIGINT || !seen)
			seen = number;
		if (number != SIGINT)
			set_timer(PATIENCE_S);
		if (write(wakeup, &one, sizeof(one)) < 0)
			errno = saved;
	}
	if (passing)
		pass_on(number, info, context);
	errno = saved;
}

static int catch_one(int number)
{
	struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	struct sigaction *old = &before[number];

	sigfillset(&action.sa_mask);
	if (sigaction(number, NULL, old))
		return tg_fail_errno(-errno, "signal %d", number);
	/* Under nohup, SIGHUP stays ignored.  Without a handler, SIGQUIT dumps core. */
	if (!(old->sa_flags & SA_SIGINFO) && ((number == SIGHUP && old->sa_handler == SIG_IGN) ||
					      (number == SIGQUIT && old->sa_handler == SIG_DFL)))
		return 0;
	if (sigaction(number, &action, NULL))
		return tg_fail_errno(-errno, "signal %d", number);
	return 0;
}

int tg_signals_catch(int kill, int pass)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};

	killing = kill;
	passing = pass;
	if (wakeup >= 0)
		return wakeup;
	if (timer_create(CLOCK_MONOTONIC, &event, &timer))
		return errno != EAGAIN
			       ? tg_fail_errno(-errno, "timer_create")
			       : tg_fail(-EAGAIN,
					 "the limit of pending signals leaves no room for a "
					 "timer: raise it with ulimit -i");
	wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wakeup < 0)
		return tg_fail_errno(-errno, "eventfd");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		int error = catch_one(numbers[i]);

		if (error)
			return error;
	}
	return wakeup;
}

int tg_signals_seen(void)
{
	return seen;
}

int tg_signals_take(void)
{
	uint64_t count;
	int number;

	/* Read the descriptor first: a signal that comes after that makes it readable again. */
	if (wakeup >= 0 && read(wakeup, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return 0;
	if (wakeup >= 0)
		set_timer(0);
	number = seen;
	seen = 0;
	interrupts = 0;
	return number;
}

void tg_signals_terminal(int fd)
{
	terminal = tcgetattr(fd, &modes) ? -1 : fd;
}
