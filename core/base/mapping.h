/* SPDX-License-Identifier: MIT */
/* mapping.h - shared mappings of BPF maps as rights: they outlive the map's descriptor. */
#ifndef TG_BASE_MAPPING_H
#define TG_BASE_MAPPING_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Map a map again, at the same address, for reading only.  The kernel lets nobody make
 * that mapping writable (bpf_map_mmap() in kernel/bpf/syscall.c).  `bytes` is of whole
 * pages, `fd` the map's; tg_mapping_protect_part() is for a mapping from `offset` on.
 */
int tg_mapping_protect(void *at, size_t bytes, int fd);
int tg_mapping_protect_part(void *at, size_t bytes, int fd, off_t offset);

#endif
