/* SPDX-License-Identifier: MIT */
/*
 * Run a policy script in a program that embeds LuaJIT. The program's own loop calls the script's
 * handlers, on("deny", function(event) ... end), and its timers, every("5s", function() ... end).
 *
 *   gcc -o embed-luajit 02-embed-luajit.c $(pkg-config --cflags --libs luajit)
 *   sudo ./embed-luajit web.lua /sys/fs/cgroup/app
 *
 * If Tidegate was installed with another PREFIX, set
 * LUA_PATH="PREFIX/share/lua/5.1/?.lua;PREFIX/share/lua/5.1/?/init.lua;;", so that LuaJIT finds it.
 */
#include <err.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#define EVENTS_A_TURN 1000 /* so that a flood of events does not delay the loop's other work */

/*
 * Call the function that is on the stack below its arguments. Leaves one value: the result; or,
 * if the function returned nil or raised an error, the message, and returns -1.
 */
static int call(lua_State *L, int arguments)
{
	if (lua_pcall(L, arguments, 2, 0))
		return -1;
	if (lua_isnil(L, -2)) {
		lua_remove(L, -2);
		return -1;
	}
	lua_pop(L, 1);
	return 0;
}

/* Load a policy script as the global `gate`. On failure leaves a message on the stack. */
static int load_gate(lua_State *L, const char *path)
{
	lua_getglobal(L, "require");
	lua_pushliteral(L, "tidegate");
	if (call(L, 1)) {
		lua_pushliteral(L, "\nAdd to LUA_PATH the folder that this prints: "
				   "pkg-config --variable=luadir tidegate");
		lua_concat(L, 2);
		return -1;
	}
	lua_getfield(L, -1, "load");
	lua_pushstring(L, path);
	if (call(L, 1))
		return -1;
	lua_setglobal(L, "gate");
	return 0;
}

/*
 * Call a method of the gate with the arguments on top of the stack. Returns its result, a number;
 * on failure -1, with a message on the stack.
 */
static int call_gate(lua_State *L, const char *method, int arguments)
{
	int result;

	lua_getglobal(L, "gate");
	lua_insert(L, -1 - arguments);
	lua_getfield(L, -1 - arguments, method);
	lua_insert(L, -2 - arguments);
	if (call(L, 1 + arguments))
		return -1;
	result = (int)lua_tointeger(L, -1);
	lua_pop(L, 1);
	return result;
}

static int attach(lua_State *L, const char *cgroup)
{
	lua_pushstring(L, cgroup);
	return call_gate(L, "attach", 1);
}

/* How many ms the loop may wait before a timer of the script is due; -1: the script has none. */
static int timeout_ms(lua_State *L)
{
	double seconds = -1;

	lua_getglobal(L, "gate");
	lua_getfield(L, -1, "next_timeout");
	lua_insert(L, -2);
	if (!call(L, 1))
		seconds = lua_tonumber(L, -1);
	lua_pop(L, 1);
	if (seconds > 3600)
		seconds = 3600;
	return seconds < 0 ? -1 : (int)(seconds * 1000) + 1;
}

/* Call the script's handlers and the timers that are due. Returns the number of events. */
static int dispatch(lua_State *L)
{
	lua_pushinteger(L, EVENTS_A_TURN);
	return call_gate(L, "dispatch", 1);
}

/*
 * A descriptor to read SIGINT and SIGTERM from. Ignore SIGPIPE, which would end the program if
 * nobody reads its output.
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
	fd = signalfd(-1, &ending, SFD_CLOEXEC);
	if (fd < 0)
		err(1, "signalfd");
	return fd;
}

/* The program's loop. It ends when a signal comes. */
static int serve(lua_State *L)
{
	struct pollfd ready[] = {
		{.fd = call_gate(L, "event_fd", 0), .events = POLLIN},
		{.fd = open_signals(), .events = POLLIN},
	};
	int count = ready[0].fd;

	warnx("the policy is enforced; Ctrl-C ends it");
	while (count >= 0 && !ready[1].revents) {
		if (poll(ready, 2, timeout_ms(L)) < 0 && errno != EINTR)
			err(1, "poll");
		count = dispatch(L);
	}
	if (count >= 0)
		count = call_gate(L, "detach", 0);
	while (count >= 0 && (count = dispatch(L)) > 0)
		; /* the last events */
	return count;
}

int main(int argc, char **argv)
{
	lua_State *L = luaL_newstate();
	int failed;

	if (argc != 3)
		errx(2, "wants a policy and a cgroup (a folder of cgroup2, self, pid:PID, "
			"unit:NAME.service)");
	if (!L)
		errx(1, "out of memory for Lua");
	setlinebuf(stdout); /* what handlers print appears at once, even if the output is a pipe */
	luaL_openlibs(L);
	failed = load_gate(L, argv[1]) || attach(L, argv[2]) || serve(L);
	if (failed)
		warnx("%s", lua_tostring(L, -1));
	lua_close(L); /* closes the gate */
	return failed;
}
