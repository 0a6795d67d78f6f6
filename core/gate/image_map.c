/* SPDX-License-Identifier: MIT */
/*
 * image_map.c - images in the kernel.
 *
 * An image is the one value of an array map, which is as large as the program
 * set's capacity and is filled through a mapping: a million prefixes take one
 * memcpy().  It is complete before any program can see it, and is frozen: nobody, not even
 * its owner, writes to it afterwards.
 */
#include "gate/gate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "bpf/layout/program_spec.h"
#include "gate/stamp.h"
#include "system/capability.h"

static int create_map(uint32_t capacity_rows, int *fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = TG_IMAGE_MAP_FLAGS);
	int made = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_image", sizeof(__u32),
				  capacity_rows * TG_ROW_BYTES, 1, &options);

	if (made == -EPERM)
		return tg_fail(made, "cannot make the image's map: needs " TG_CAPABILITIES
				     "; run `tidegate doctor`");
	if (made < 0)
		return tg_fail_errno(made, "cannot make a map of %u KiB for the image",
				     capacity_rows / (1024 / TG_ROW_BYTES));
	*fd = made;
	return 0;
}

/*
 * What a map is filled with: rows, for a gate that stamps them, or those of another map, whose
 * stamps they have.
 */
struct content {
	const void *rows;
	size_t bytes;
	const struct tg_slot_table *slots; /* NULL: they are stamped */
	const uint32_t *tables;
	uint64_t generation;
};

/* Fill a map through a mapping, and unmap it again.  No child inherits it. */
static int fill(int fd, const struct content *content)
{
	void *place = mmap(NULL, content->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (place == MAP_FAILED)
		return tg_fail_errno(-errno, "cannot map the image");
	madvise(place, content->bytes, MADV_DONTFORK);
	memcpy(place, content->rows, content->bytes);
	if (content->slots)
		tg_stamp(place, content->slots, content->tables, content->generation);
	munmap(place, content->bytes);
	return 0;
}

/* *busy: a child has the mapping, because another thread forked just before the madvise(). */
static int make_frozen(const struct content *content, uint32_t capacity_rows, int *fd, bool *busy)
{
	int made = -1;
	int error = create_map(capacity_rows, &made);

	if (error)
		return error;
	error = fill(made, content);
	if (!error && bpf_map_freeze(made)) {
		*busy = errno == EBUSY;
		error = tg_fail_errno(-errno, "cannot freeze the image");
	}
	if (error)
		close(made);
	else
		*fd = made;
	return error;
}

static int make(const struct content *content, uint32_t capacity_rows, int *fd)
{
	bool busy;
	int error;

	do {
		busy = false;
		error = make_frozen(content, capacity_rows, fd, &busy);
	} while (busy);
	return error;
}

int tg_image_map_make(const void *rows, size_t bytes, const struct tg_slot_table *slots,
		      const uint32_t *tables, uint64_t generation, uint32_t capacity_rows, int *fd)
{
	struct content content = {rows, bytes, slots, tables, generation};

	return make(&content, capacity_rows, fd);
}

int tg_image_map_copy(int from, size_t bytes, uint32_t capacity_rows, int *fd)
{
	struct content content = {.bytes = bytes};
	void *source = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from, 0);
	int error;

	if (source == MAP_FAILED)
		return tg_fail_errno(-errno, "cannot map the image in force");
	content.rows = source;
	error = make(&content, capacity_rows, fd);
	munmap(source, bytes);
	return error;
}

/*
 * The system call returns once the programs that run with the old image have ended
 * (about 10 ms): maybe_wait_bpf_programs() in the kernel's kernel/bpf/syscall.c.
 */
int tg_image_map_install(int outer, int fd)
{
	__u32 zero = 0;
	int error = bpf_map_update_elem(outer, &zero, &fd, BPF_ANY);

	return error ? tg_fail_errno(error, "cannot put the image in force") : 0;
}
