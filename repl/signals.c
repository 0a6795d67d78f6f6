/* SPDX-License-Identifier: MIT */
/*
 * signals.c - note signals, so that Lua can interrupt a script.
 *
 * The handler is installed without SA_RESTART: a C function that waits returns to Lua, where the
 * interpreter's hook sees that a signal has come.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include "repl.h"

enum {
	MOST_INTERRUPTS = 3,
	PATIENCE_S = 5,
};

static volatile sig_atomic_t seen, interrupts;
static int wakeup = -1, terminal = -1;
static struct termios modes;

static void give_up(int number)
{
	static const char text[] = "\ntidegate: ended while a function was still running\n";

	if (terminal >= 0)
		tcsetattr(terminal, TCSANOW, &modes);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(128 + number);
	_exit(128 + number);
}

static void note(int number)
{
	uint64_t one = 1;
	int saved = errno;

	if (number == SIGALRM)
		give_up(seen ? seen : number);
	if (number == SIGINT && ++interrupts >= MOST_INTERRUPTS)
		give_up(number);
	/* A Ctrl-C does not replace an earlier signal that ends the process. */
	if (number != SIGINT || !seen)
		seen = number;
	if (number != SIGINT)
		alarm(PATIENCE_S);
	if (write(wakeup, &one, sizeof(one)) < 0)
		errno = saved;
	errno = saved;
}

int tg_signals_catch(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
	struct sigaction action = {.sa_handler = note};
	struct sigaction now;

	if (wakeup < 0)
		wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wakeup < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (sigaction(numbers[i], NULL, &now))
			return -errno;
		/* Under nohup, SIGHUP stays ignored. */
		if (numbers[i] == SIGHUP && now.sa_handler == SIG_IGN)
			continue;
		if (sigaction(numbers[i], &action, NULL))
			return -errno;
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
	alarm(0);
	number = seen;
	seen = 0;
	interrupts = 0;
	return number;
}

void tg_signals_terminal(int fd)
{
	terminal = tcgetattr(fd, &modes) ? -1 : fd;
}
