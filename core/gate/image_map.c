/* SPDX-License-Identifier: MIT */
/*
 * image_map.c - images in the kernel.
 *
 * An image is the one value of an array map, which is as large as the program
 * set's capacity and is filled through a mapping: a million prefixes take one
 * memcpy().  It is complete before any program can see it, and is not written to
 * afterwards.
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

int tg_image_map_make(const void *rows, size_t bytes, const struct tg_slot_table *slots,
		      const uint32_t *tables, uint64_t generation, uint32_t capacity_rows, int *fd)
{
	void *place;
	int made;
	int error = create_map(capacity_rows, &made);

	if (error)
		return error;
	place = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0);
	if (place == MAP_FAILED) {
		error = tg_fail_errno(-errno, "cannot map the image");
		close(made);
		return error;
	}
	memcpy(place, rows, bytes);
	tg_stamp(place, slots, tables, generation);
	munmap(place, bytes);
	*fd = made;
	return 0;
}

int tg_image_map_copy(int from, size_t bytes, uint32_t capacity_rows, int *fd)
{
	void *source = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from, 0);
	void *place = MAP_FAILED;
	int made = -1;
	int error = 0;

	if (source == MAP_FAILED)
		return tg_fail_errno(-errno, "cannot map the image in force");
	error = create_map(capacity_rows, &made);
	if (error)
		goto out;
	place = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0);
	if (place == MAP_FAILED) {
		error = tg_fail_errno(-errno, "cannot map the image");
		close(made);
		goto out;
	}
	memcpy(place, source, bytes);
	munmap(place, bytes);
	*fd = made;
out:
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
