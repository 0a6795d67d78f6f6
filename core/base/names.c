/* SPDX-License-Identifier: MIT */
/* names.c - the names of operations, verbs, states of backends and errnos, and their numbers. */
#define _GNU_SOURCE /* strerrorname_np() */
#include "base/names.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "tidegate.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *const ops[TG_OP_COUNT] = {
	[TG_OP_CONNECT] = "connect",         [TG_OP_BIND] = "bind",
	[TG_OP_SENDMSG] = "sendmsg",         [TG_OP_RECVMSG] = "recvmsg",
	[TG_OP_GETPEERNAME] = "getpeername", [TG_OP_GETSOCKNAME] = "getsockname",
};

static const char *const verbs[TG_VERB_COUNT] = {
	[TG_VERB_ALLOW] = "allow",     [TG_VERB_DENY] = "deny",       [TG_VERB_REWRITE] = "rewrite",
	[TG_VERB_OBSERVE] = "observe", [TG_VERB_BALANCE] = "balance",
};

static const char *const backend_states[] = {
	[TG_BACKEND_UP] = "up",
	[TG_BACKEND_DRAINING] = "draining",
	[TG_BACKEND_DOWN] = "down",
};

/* Second names of errnos, which strerrorname_np() does not know. */
static const struct {
	const char *name;
	int number;
} errno_aliases[] = {
	{"EWOULDBLOCK", EWOULDBLOCK},
	{"EDEADLOCK", EDEADLOCK},
	{"ENOTSUP", ENOTSUP},
	{"EOPNOTSUPP", EOPNOTSUPP},
};

static const char *word(const char *const *words, size_t count, uint32_t index)
{
	return index < count ? words[index] : NULL;
}

const char *tg_op_name(uint32_t op)
{
	return word(ops, COUNT(ops), op);
}

const char *tg_verb_name(uint32_t verb)
{
	return word(verbs, COUNT(verbs), verb);
}

const char *tg_backend_state_name(uint32_t state)
{
	return word(backend_states, COUNT(backend_states), state);
}

const char *tg_errno_name(uint32_t error)
{
	/* glibc calls 0 "0". */
	return error ? strerrorname_np((int)error) : NULL;
}

int tg_errno_number(const char *name)
{
	for (size_t i = 0; i < COUNT(errno_aliases); i++)
		if (!strcmp(name, errno_aliases[i].name))
			return errno_aliases[i].number;
	for (int error = 1; error <= EHWPOISON; error++) {
		const char *known = tg_errno_name(error);

		if (known && !strcmp(name, known))
			return error;
	}
	return 0;
}

static bool same(char a, char b)
{
	return toupper((unsigned char)a) == toupper((unsigned char)b);
}

/* Whether one letter is wrong, missing, too many, or swapped with the next, in any case. */
static bool is_near(const char *a, const char *b)
{
	while (*a && same(*a, *b)) {
		a++;
		b++;
	}
	if (!strcasecmp(a, b))
		return true;
	if (*a && !strcasecmp(a + 1, b))
		return true;
	if (*b && !strcasecmp(a, b + 1))
		return true;
	if (*a && *b && !strcasecmp(a + 1, b + 1))
		return true;
	return *a && *b && same(a[0], b[1]) && same(a[1], b[0]) && !strcasecmp(a + 2, b + 2);
}

const char *tg_errno_near(const char *name)
{
	for (int error = 1; error <= EHWPOISON; error++) {
		const char *known = tg_errno_name((uint32_t)error);

		if (known && is_near(name, known))
			return known;
	}
	return NULL;
}
