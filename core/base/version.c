/* SPDX-License-Identifier: MIT */
/* version.c - the version of this library; the Makefile says TG_VERSION. */
#include "tidegate.h"

uint32_t tg_abi(void)
{
	return TG_ABI;
}

const char *tg_version(void)
{
	return TG_VERSION;
}
