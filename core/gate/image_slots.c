/* SPDX-License-Identifier: MIT */
/*
 * image_slots.c - the images in the kernel.
 *
 * A slot is filled through a mapping, so a million prefixes take one memcpy().  Whoever
 * has such a mapping can change what is decided, so it exists only for a moment, and no
 * child inherits it; except if the image has lists of backends: see gate_backends.c.
 */
#include "gate/image_slots.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mapping.h"
#include "gate/stamp.h"

/* --- Mappings ---------------------------------------------------------------------------- */

/* Held while a mapping exists that a child would inherit: no thread forks meanwhile. */
static pthread_mutex_t forks = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void bar_forks(void)
{
	pthread_mutex_lock(&forks);
}

static void let_fork(void)
{
	pthread_mutex_unlock(&forks);
}

static void set_handlers(void)
{
	pthread_atfork(bar_forks, let_fork, let_fork);
}

static size_t whole_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

/* A slot is at least 64 KiB, and a power of two: it begins at a page. */
static void *map_slot(const struct tg_program_set *set, uint64_t generation, size_t bytes, int prot)
{
	off_t number = TG_IMAGE_SLOT(generation, set->spec.images);
	off_t offset = number * set->spec.rows * TG_ROW_BYTES;

	return mmap(NULL, whole_pages(bytes), prot, MAP_SHARED, set->images, offset);
}

int tg_image_slot_map(const struct tg_program_set *set, uint64_t generation, size_t bytes,
		      struct tg_image_slot *slot)
{
	void *rows;
	int error = 0;

	pthread_once(&forks_once, set_handlers);
	bar_forks();
	rows = map_slot(set, generation, bytes, PROT_READ | PROT_WRITE);
	if (rows == MAP_FAILED) {
		error = -errno;
	} else if (madvise(rows, whole_pages(bytes), MADV_DONTFORK)) {
		error = -errno;
		munmap(rows, whole_pages(bytes));
	}
	let_fork();
	if (error)
		return tg_fail_errno(error, "cannot map %zu KiB for the image",
				     whole_pages(bytes) / 1024);
	*slot = (struct tg_image_slot){
		.rows = rows,
		.bytes = bytes,
		.offset = (off_t)TG_IMAGE_SLOT(generation, set->spec.images) * set->spec.rows *
			  TG_ROW_BYTES,
		.generation = generation,
	};
	return 0;
}

void tg_image_slot_unmap(struct tg_image_slot *slot)
{
	if (slot->rows)
		munmap(slot->rows, whole_pages(slot->bytes));
	*slot = (struct tg_image_slot){0};
}

int tg_image_slot_share(const struct tg_image_slot *slot)
{
	if (!madvise(slot->rows, whole_pages(slot->bytes), MADV_DOFORK))
		return 0;
	return tg_fail_errno(-errno, "cannot share the image with children");
}

int tg_image_slot_protect(const struct tg_program_set *set, const struct tg_image_slot *slot)
{
	return tg_mapping_protect_part(slot->rows, whole_pages(slot->bytes), set->images,
				       slot->offset);
}

/* --- Contents ---------------------------------------------------------------------------- */

/* While a slot is written, its header has no generation: a writer that is killed leaves it so. */
static void begin(const struct tg_image_slot *slot)
{
	struct tg_image_header *header = slot->rows;

	__atomic_store_n(&header->generation, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void copy(const struct tg_image_slot *slot, const void *rows)
{
	struct tg_image_header header = *(const struct tg_image_header *)rows;

	header.generation = 0;
	memcpy(slot->rows, &header, sizeof(header));
	memcpy((char *)slot->rows + sizeof(header), (const char *)rows + sizeof(header),
	       slot->bytes - sizeof(header));
}

static void end(const struct tg_image_slot *slot)
{
	struct tg_image_header *header = slot->rows;

	__atomic_store_n(&header->generation, slot->generation, __ATOMIC_RELEASE);
}

void tg_image_slot_write(const struct tg_image_slot *slot, const void *rows,
			 const struct tg_slot_table *slots, const uint32_t *tables)
{
	begin(slot);
	copy(slot, rows);
	tg_stamp(slot->rows, slots, tables);
	end(slot);
}

int tg_image_slot_copy(const struct tg_program_set *from, uint64_t generation, size_t bytes,
		       const struct tg_image_slot *to)
{
	void *rows = map_slot(from, generation, bytes, PROT_READ);

	if (rows == MAP_FAILED)
		return tg_fail_errno(-errno, "cannot map the image in force");
	begin(to);
	copy(to, rows);
	end(to);
	munmap(rows, whole_pages(bytes));
	return 0;
}
