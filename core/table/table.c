/* SPDX-License-Identifier: MIT */
/* table.c - the rows of live tables, in the kernel or in memory, and their lock. */
#define _GNU_SOURCE /* memfd_create() */
#include "table/table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "bpf/layout/program_spec.h"

static size_t mapped_bytes(uint64_t rows)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (rows * TG_ROW_BYTES + page - 1) / page * page;
}

int tg_table_make_map(struct tg_table *table, const char *name, uint64_t rows)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = TG_TABLE_MAP_FLAGS);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tg_table", sizeof(__u32), TG_ROW_BYTES,
				(uint32_t)rows, &options);
	void *at;

	if (fd == -EPERM)
		return tg_fail(fd,
			       "cannot make the table of \"%s\": needs CAP_BPF and CAP_NET_ADMIN; "
			       "run `tidegate doctor`",
			       name);
	if (fd < 0)
		return tg_fail_errno(fd, "cannot make a table of %llu KiB for \"%s\"",
				     (unsigned long long)rows * TG_ROW_BYTES / 1024, name);
	at = mmap(NULL, mapped_bytes(rows), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		int error = tg_fail_errno(-errno, "cannot map the table of \"%s\"", name);

		close(fd);
		return error;
	}
	*table = (struct tg_table){.rows = {at, (uint32_t)rows}, .fd = fd, .lock_fd = -1};
	return 0;
}

int tg_table_make_memory(struct tg_table *table, uint64_t rows)
{
	void *at = aligned_alloc(TG_ROW_BYTES, rows * TG_ROW_BYTES);

	if (!at)
		return tg_fail(-ENOMEM, "out of memory: no room for a table of %llu KiB",
			       (unsigned long long)rows * TG_ROW_BYTES / 1024);
	__builtin_memset(at, 0, rows * TG_ROW_BYTES);
	*table = (struct tg_table){.rows = {at, (uint32_t)rows}, .fd = -1, .lock_fd = -1};
	return 0;
}

void tg_table_close(struct tg_table *table)
{
	if (table->fd >= 0) {
		munmap((void *)table->rows.rows, mapped_bytes(table->rows.count));
		close(table->fd);
	} else {
		free((void *)table->rows.rows);
	}
	*table = (struct tg_table){.fd = -1, .lock_fd = -1};
}

bool tg_table_is_in(const struct tg_table *table, int outer)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info), id;

	return !bpf_map_lookup_elem(outer, &table->number, &id) &&
	       !bpf_obj_get_info_by_fd(table->fd, &info, &size) && info.id == id;
}

void tg_table_take_out(struct tg_table *table, int outer)
{
	if (tg_table_is_in(table, outer))
		bpf_map_delete_elem(outer, &table->number);
	tg_table_close(table);
}

int tg_lock_file_make(int *fd)
{
	int made = memfd_create("tidegate", MFD_CLOEXEC);

	if (made < 0)
		return tg_fail_errno(-errno, "cannot make the file for the tables' locks");
	*fd = made;
	return 0;
}

static int set_lock(const struct tg_table *table, short type)
{
	struct flock lock = {.l_type = type, .l_start = table->number, .l_len = 1};
	int error;

	if (table->lock_fd < 0)
		return 0;
	do
		error = fcntl(table->lock_fd, F_SETLKW, &lock) ? -errno : 0;
	while (error == -EINTR);
	return error;
}

int tg_table_lock(const struct tg_table *table)
{
	int error = set_lock(table, F_WRLCK);

	return error ? tg_fail_errno(error, "cannot lock a table") : 0;
}

void tg_table_unlock(const struct tg_table *table)
{
	set_lock(table, F_UNLCK);
}

uint64_t tg_ticks_now(void)
{
	return TG_NOW_NS() >> TG_TICK_SHIFT;
}

uint64_t tg_ticks_after(uint64_t ms)
{
	const uint64_t most = (1ull << 39) << TG_TICK_SHIFT; /* 18 years */
	uint64_t ns = ms < most / 1000000 ? ms * 1000000 : most;

	return ms ? (TG_NOW_NS() + ns + (1u << TG_TICK_SHIFT) - 1) >> TG_TICK_SHIFT : 0;
}
