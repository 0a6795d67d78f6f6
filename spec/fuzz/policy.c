/* SPDX-License-Identifier: MIT */
/*
 * policy.c - the text of a policy, read by the Lua module: it is refused with a message, or
 * compiles, and what it dumps compiles to the same.  policy.lua has the half in Lua.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A text may loop for ever. */
#define MOST_INSTRUCTIONS 1000000

static lua_State *lua;

static void stop(lua_State *state, lua_Debug *at)
{
	(void)at;
	luaL_error(state, "it runs for too long");
}

static void fail(void)
{
	fprintf(stderr, "policy: %s\n", lua_tostring(lua, -1));
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	lua = luaL_newstate();
	luaL_openlibs(lua);
	if (luaL_dostring(lua, "jit.off() return require 'spec.fuzz.policy'"))
		fail();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lua_pushvalue(lua, -1);
	lua_pushlstring(lua, (const char *)data, size);
	lua_sethook(lua, stop, LUA_MASKCOUNT, MOST_INSTRUCTIONS);
	if (lua_pcall(lua, 1, 0, 0))
		fail();
	lua_sethook(lua, NULL, 0, 0);
	return 0;
}
