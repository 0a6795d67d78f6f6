/* SPDX-License-Identifier: MIT */
/*
 * walk_services.c - services that one thread walks over without the lock, while another one
 * replaces them.
 *
 *   walk_services WALKS
 */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"
#include "bpf/engine/service_lookup.h"
#include "table/service.h"

#define SIZE 20

static struct tg_table table;
static atomic_bool ended;

/* Both numbers of a VIP are the same, so that half of another one shows. */
static struct tg_vip_key vip_of(uint32_t number)
{
	return (struct tg_vip_key){.low = number, .what = number};
}

static uint32_t home_of(uint32_t number)
{
	return tg_vip_home(table.parts.seed, 0, number, number, table.parts.services.vip_rows);
}

/* Two VIPs in turn, which have the same place. */
static void *change_always(void *unused)
{
	const struct tg_backends none = {.count = 0};
	uint32_t second = 2;

	while (home_of(second) != home_of(1))
		second++;
	for (uint32_t number = 1; !ended; number = number == 1 ? second : 1) {
		struct tg_vip_key vip = vip_of(number);

		CHECK(!tg_service_table_put(&table, &vip, &none));
		CHECK(tg_service_table_remove(&table, &vip));
	}
	return unused;
}

int main(int argc, char **argv)
{
	uint32_t walks = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
	struct tg_vip_key vip;
	uint32_t backends, seen = 0;
	pthread_t thread;

	CHECK(!tg_table_make_memory(&table, tg_service_table_rows(SIZE)));
	tg_service_table_init(&table, SIZE);
	CHECK(!pthread_create(&thread, NULL, change_always, NULL));
	for (uint32_t walk = 0; walk < walks || !seen; walk++) {
		uint64_t at = 0;

		while (tg_service_table_next(&table, &at, &vip, &backends) == 1) {
			CHECK(vip.low == vip.what && !backends);
			seen++;
		}
	}
	ended = true;
	pthread_join(thread, NULL);
	tg_table_close(&table);
	puts("ok");
	return 0;
}
