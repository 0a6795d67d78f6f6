/* SPDX-License-Identifier: MIT */
/* names.c - the names of operations, verbs and errnos, and their numbers. */
#define _GNU_SOURCE /* strerrorname_np() */
#include "base/names.h"

#include <errno.h>
#include <string.h>

#include "tidegate.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *const ops[TG_OPS] = {
	[TG_OP_CONNECT] = "connect",         [TG_OP_BIND] = "bind",
	[TG_OP_SENDMSG] = "sendmsg",         [TG_OP_RECVMSG] = "recvmsg",
	[TG_OP_GETPEERNAME] = "getpeername", [TG_OP_GETSOCKNAME] = "getsockname",
};

static const char *const verbs[TG_VERBS] = {
	[TG_VERB_ALLOW] = "allow",     [TG_VERB_DENY] = "deny",       [TG_VERB_REWRITE] = "rewrite",
	[TG_VERB_OBSERVE] = "observe", [TG_VERB_BALANCE] = "balance",
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

static const char *word(const char *const *words, size_t count, int index)
{
	return index >= 0 && (size_t)index < count ? words[index] : NULL;
}

const char *tg_op_name(int op)
{
	return word(ops, COUNT(ops), op);
}

const char *tg_verb_name(int verb)
{
	return word(verbs, COUNT(verbs), verb);
}

const char *tg_errno_name(int error)
{
	/* glibc calls 0 "0". */
	return error > 0 ? strerrorname_np(error) : NULL;
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
