/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * stored.h - the list of all that programs store with a socket, in the kernel's own structs.
 *
 * So a gate finds what other gates have stored.  They share no map with it, but their maps have
 * the same names and sizes.
 */
#ifndef TG_BPF_HOOK_STORED_H
#define TG_BPF_HOOK_STORED_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* How many elements of the list are looked at: programs of other kinds may store there, too. */
#define TG_STORED 32

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node___note {
	void *next;
};

struct hlist_head___note {
	void *first;
};

struct bpf_map___note {
	__u32 id;
	__u32 value_size;
	char name[16];
};

struct bpf_local_storage_map___note {
	struct bpf_map___note map;
};

/* What the kernel stores with a socket. */
struct bpf_local_storage___note {
	struct hlist_head___note list;
};

struct bpf_local_storage_data___note {
	void *smap;
	char data[0];
};

/* The value that one map stores with it. */
struct bpf_local_storage_elem___note {
	struct hlist_node___note snode;
	void *local_storage;
	struct bpf_local_storage_data___note sdata;
};

struct sock___note {
	void *sk_bpf_storage;
};

struct inet_sock___note {
	struct sock___note sk;
};

struct udp_sock___note {
	struct inet_sock___note inet;
};

struct udp6_sock___note {
	struct udp_sock___note udp;
};

#pragma clang attribute pop

#define TG_OFFSET(type, member) bpf_core_field_offset(struct type##___note, member)

static __always_inline int tg_storage_is_known(void)
{
	return bpf_core_field_exists(struct bpf_local_storage_elem___note, sdata.data) &&
	       bpf_core_field_exists(struct bpf_local_storage_elem___note, local_storage) &&
	       bpf_core_field_exists(struct bpf_local_storage___note, list) &&
	       bpf_core_field_exists(struct bpf_local_storage_map___note, map);
}

/* A word of the kernel's memory; 0 if there is none. */
static __always_inline __u64 tg_kernel_word(__u64 at)
{
	__u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), (void *)at);
	return word;
}

/* What tells the maps of gates from others. */
struct tg_map_kind {
	__u64 name[2];
	__u32 value_size;
};

/* The address of the map that an element belongs to. */
static __always_inline __u64 tg_map_of(__u64 element)
{
	return tg_kernel_word(element + TG_OFFSET(bpf_local_storage_elem, sdata.smap)) +
	       TG_OFFSET(bpf_local_storage_map, map);
}

static __always_inline void tg_map_read(__u64 element, struct tg_map_kind *kind)
{
	__u64 map = tg_map_of(element);

	bpf_probe_read_kernel(kind->name, sizeof(kind->name),
			      (void *)map + TG_OFFSET(bpf_map, name));
	bpf_probe_read_kernel(&kind->value_size, sizeof(kind->value_size),
			      (void *)map + TG_OFFSET(bpf_map, value_size));
}

/* The number of the map that an element belongs to. */
static __always_inline __u32 tg_map_id(__u64 element)
{
	return (__u32)tg_kernel_word(tg_map_of(element) + TG_OFFSET(bpf_map, id));
}

/* The first node of the list of a socket, whose sk_bpf_storage is at this address; 0: none. */
static __always_inline __u64 tg_stored_first(__u64 storage_at)
{
	__u64 storage = tg_kernel_word(storage_at);

	return storage ? tg_kernel_word(storage + TG_OFFSET(bpf_local_storage, list)) : 0;
}

/* The element at a node of the list; `node` becomes the next one. */
static __always_inline __u64 tg_stored_at(__u64 *node)
{
	__u64 element = *node - TG_OFFSET(bpf_local_storage_elem, snode);

	*node = tg_kernel_word(*node);
	return element;
}

static __always_inline int tg_same_kind(const struct tg_map_kind *a, const struct tg_map_kind *b)
{
	return a->name[0] == b->name[0] && a->name[1] == b->name[1] &&
	       a->value_size == b->value_size;
}

#define TG_STORED_VALUE(element) ((element) + TG_OFFSET(bpf_local_storage_elem, sdata.data))

#endif
