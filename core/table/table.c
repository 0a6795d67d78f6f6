/* SPDX-License-Identifier: MIT */
/* table.c - the rows of live tables, in the kernel or in memory, and their lock. */
#define _GNU_SOURCE /* memfd_create() */
#include "table/table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mapping.h"
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
	*table = (struct tg_table){
		.rows = {at, (uint32_t)rows}, .in_map = true, .fd = fd, .lock_fd = -1};
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
	if (table->in_map)
		munmap((void *)table->rows.rows, mapped_bytes(table->rows.count));
	else
		free((void *)table->rows.rows);
	if (table->fd >= 0)
		close(table->fd);
	*table = (struct tg_table){.fd = -1, .lock_fd = -1};
}

int tg_table_restrict(struct tg_table *table, bool readonly)
{
	int error = 0;

	if (readonly && table->fd >= 0)
		error = tg_mapping_protect((void *)table->rows.rows,
					   mapped_bytes(table->rows.count), table->fd);
	if (error) {
		tg_table_close(table);
		return error;
	}
	if (table->fd >= 0)
		close(table->fd);
	table->fd = -1;
	return 0;
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
	int made = memfd_create("tidegate", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (made < 0)
		return tg_fail_errno(-errno, "cannot make a gate's lock file");
	/* A process that may lock the file may also write to it, and the file must stay empty. */
	if (fcntl(made, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)) {
		int error = tg_fail_errno(-errno, "cannot seal a gate's lock file");

		close(made);
		return error;
	}
	*fd = made;
	return 0;
}

/* The longest that an honest process needs is for a set of millions of elements. */
#define PATIENCE_S 5

static int set_lock(int fd, uint32_t number, short type)
{
	struct flock lock = {.l_type = type, .l_start = number, .l_len = 1};

	return fcntl(fd, F_SETLK, &lock) ? -errno : 0;
}

/*
 * Wait a little, longer each time.  F_SETLKW would wait for ever for a process that
 * never unlocks, be it stopped or hostile.
 */
static void pause_ns(uint64_t *ns)
{
	const uint64_t most = 1000000;
	struct timespec time = {.tv_nsec = (long)*ns};

	nanosleep(&time, NULL);
	*ns = *ns * 2 < most ? *ns * 2 : most;
}

int tg_lock_file_lock(int fd, uint32_t number, uint32_t patience_s)
{
	uint64_t until = 0, ns = 10000;
	int error;

	while ((error = set_lock(fd, number, F_WRLCK)) == -EAGAIN || error == -EACCES) {
		uint64_t now = TG_NOW_NS();

		until = until ? until : now + patience_s * 1000000000ull;
		if (now > until)
			return tg_fail(-EBUSY,
				       "another process has had it locked for %u seconds: end the "
				       "process that hangs, or try again",
				       patience_s);
		pause_ns(&ns);
	}
	return error ? tg_fail_errno(error, "cannot lock a file") : 0;
}

void tg_lock_file_unlock(int fd, uint32_t number)
{
	set_lock(fd, number, F_UNLCK);
}

int tg_table_lock(const struct tg_table *table)
{
	return table->lock_fd < 0 ? 0
				  : tg_lock_file_lock(table->lock_fd, table->number, PATIENCE_S);
}

void tg_table_unlock(const struct tg_table *table)
{
	if (table->lock_fd >= 0)
		tg_lock_file_unlock(table->lock_fd, table->number);
}

/* Several tables share a mutex; no thread is ever in two tables. */
#define MUTEXES 16

static pthread_mutex_t mutexes[MUTEXES];
static pthread_once_t mutexes_made = PTHREAD_ONCE_INIT;

/* In a child, the threads that held them do not exist. */
static void make_mutexes(void)
{
	for (uint32_t i = 0; i < MUTEXES; i++)
		mutexes[i] = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static void make_mutexes_once(void)
{
	make_mutexes();
	pthread_atfork(NULL, NULL, make_mutexes);
}

void tg_table_enter(uint32_t number)
{
	pthread_once(&mutexes_made, make_mutexes_once);
	pthread_mutex_lock(&mutexes[number % MUTEXES]);
}

void tg_table_leave(uint32_t number)
{
	pthread_mutex_unlock(&mutexes[number % MUTEXES]);
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
