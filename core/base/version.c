/* SPDX-License-Identifier: MIT */
/* version.c - what this library is; the Makefile says TG_VERSION and TG_PRIVATE_ABI. */
#include "tidegate_private.h"

uint32_t tg_abi(void)
{
	return TG_ABI;
}

const char *tg_version(void)
{
	return TG_VERSION;
}

uint32_t tg_private_abi(void)
{
	return TG_PRIVATE_ABI;
}
