/* SPDX-License-Identifier: MIT */
/* gate_services.c - the services of a running gate: the public functions. */
#include <errno.h>

#include "base/error.h"
#include "base/struct_size.h"
#include "gate/gate.h"
#include "gate/kill.h"
#include "table/service.h"

int tg_gate_find_services(const struct tg_gate *gate, const char *name,
			  struct tg_services **services)
{
	struct tg_live *live;
	int error = TG_REQUIRE(gate) ?: TG_REQUIRE(name) ?: TG_REQUIRE(services);

	if (!error)
		error = tg_gate_find_live(gate, name, TG_TABLE_SERVICES, &live);
	if (!error)
		*services = (struct tg_services *)live;
	return error;
}

static int fail_with_name(const struct tg_services *services, const char *vip, int error)
{
	return tg_fail(error, "services \"%s\": %s%s%s%s", services->live.name, vip ? "\"" : "",
		       vip ? vip : "", vip ? "\": " : "", tg_error());
}

/* No resolver is asked for live services. */
static int read_vip(const struct tg_services *services, const char *text, struct tg_vip_key *vip)
{
	int error = tg_vip_parse(text, vip);

	return error ? fail_with_name(services, NULL, error) : 0;
}

/* --- Changes ---------------------------------------------------------------------------- */

enum change_kind { PUT, REMOVE, PUT_BACKEND, REMOVE_BACKEND };

/* A change of one VIP.  What it makes of the VIP's backends is known once the table is locked. */
struct change {
	const struct tg_services *services;
	enum change_kind kind;
	uint32_t flags;
	const char *vip_text, *text; /* of the VIP; of the backend */
	struct tg_vip_key vip;
	struct tg_backends backends;     /* PUT: the new list */
	struct tg_backend_place backend; /* of the other two: this one */
	struct tg_backends gone;         /* whose sockets are to be ended */
	int result;                      /* 1: something was changed */
};

/* Add the backend to a list, or change it there. */
static int put_into(const struct change *change, struct tg_backends *list)
{
	struct tg_backend_place *there = tg_backends_find(list, &change->backend);

	if (!there)
		return tg_backends_append(list, change->text, &change->backend);
	if (!(change->flags & TG_KEEP_WEIGHT))
		there->weight = change->backend.weight;
	if (!(change->flags & TG_KEEP_STATE))
		there->state = change->backend.state;
	return 0;
}

static bool take_out_of(const struct change *change, struct tg_backends *list)
{
	struct tg_backend_place *there = tg_backends_find(list, &change->backend);

	if (!there)
		return false;
	list->count--;
	for (; there < list->at + list->count; there++)
		there[0] = there[1];
	return true;
}

/* Make `now`, the list before the change, the list after it. */
static int edit(struct change *change, struct tg_backends *now)
{
	int error = 0;

	if (change->kind == REMOVE_BACKEND) {
		change->result = take_out_of(change, now);
		return 0;
	}
	if (change->kind == PUT_BACKEND) {
		error = put_into(change, now);
	} else {
		tg_backends_free(now);
		*now = change->backends;
		change->backends = (struct tg_backends){0};
	}
	change->result = 1;
	if (!error)
		error = tg_vip_check(&change->vip, now);
	return error ? fail_with_name(change->services, change->vip_text, error) : 0;
}

/* Collect the backends whose sockets are to be ended: those that `now` has no more, or down. */
static int find_gone(struct change *change, const struct tg_backend_rows *before,
		     const struct tg_backends *now)
{
	struct tg_backends *gone = &change->gone;
	uint32_t count;
	int error;

	if (!(change->flags & TG_KILL_SOCKETS))
		return 0;
	error = tg_backend_rows_take(before, gone);
	count = gone->count;
	gone->count = 0;
	for (uint32_t i = 0; i < count && !error; i++)
		if (!tg_backends_serve(now, &gone->at[i]))
			gone->at[gone->count++] = gone->at[i];
	return error;
}

static int fail_full(const struct change *change)
{
	const struct tg_live *live = &change->services->live;

	return tg_fail(
		-ENOSPC,
		"services \"%s\": \"%s\": does not fit: they have room for %u services of ten "
		"backends: remove some, or declare them with a larger size",
		live->name, change->vip_text, live->table.parts.size);
}

static int apply(const struct change *change, const struct tg_backends *now)
{
	const struct tg_table *table = &change->services->live.table;
	int error;

	if (change->kind == REMOVE) {
		tg_service_table_remove(table, &change->vip);
		return 0;
	}
	error = tg_service_table_put(table, &change->vip, now);
	return error == -ENOSPC ? fail_full(change) : error;
}

/* The table is locked: nobody else changes it between reading and writing. */
static int change_locked(struct change *change)
{
	const struct tg_table *table = &change->services->live.table;
	struct tg_backend_rows before = tg_service_table_backends(table, &change->vip);
	struct tg_backends now = {0};
	uint32_t count;
	int error = 0;

	if (change->kind == PUT_BACKEND || change->kind == REMOVE_BACKEND)
		error = tg_backend_rows_take(&before, &now);
	if (change->kind == REMOVE)
		change->result = tg_service_table_find(table, &change->vip, &count);
	else if (!error)
		error = edit(change, &now);
	if (!error)
		error = find_gone(change, &before, &now);
	if (!error && change->result)
		error = apply(change, &now);
	tg_backends_free(&now);
	return error;
}

static int change_table(struct change *change)
{
	const struct tg_live *live = &change->services->live;
	int error = tg_live_enter_change(live);

	if (error)
		return error;
	error = tg_service_change(&live->table);
	if (error) {
		error = fail_with_name(change->services, NULL, error);
	} else {
		error = change_locked(change);
		tg_service_change_end(&live->table);
	}
	tg_live_leave(live);
	return error;
}

/* Make a change whose VIP and backends were read without `error`; 1, 0, or -errno. */
static int make_change(struct change *change, int error, uint32_t *ended)
{
	struct tg_gate *gate = change->services->live.gate;
	bool kills = change->flags & TG_KILL_SOCKETS;
	uint32_t count = 0;

	if (!error && kills)
		error = tg_kill_prepare(gate);
	if (!error)
		error = change_table(change);
	if (!error && kills)
		error = tg_kill_service(&change->services->live, &change->vip, &change->gone,
					&count);
	tg_backends_free(&change->backends);
	tg_backends_free(&change->gone);
	if (error)
		return error;
	if (ended)
		*ended = count;
	return change->result;
}

/* Start a change: check what all functions get.  `flags` may have the bits of `known`. */
static int begin(struct change *change, struct tg_services *services, const char *vip,
		 uint32_t flags, uint32_t known)
{
	*change = (struct change){.services = services, .flags = flags, .vip_text = vip};
	if (tg_check_bits("flags", flags, known))
		return tg_fail(-EINVAL, "services \"%s\": %s", services->live.name, tg_error());
	return read_vip(services, vip, &change->vip);
}

int tg_services_put(struct tg_services *services, const char *vip,
		    const struct tg_backend_spec *backends, size_t count, uint32_t flags,
		    uint32_t *ended)
{
	struct change change;
	int error = TG_REQUIRE(services) ?: TG_REQUIRE(vip);

	if (!error)
		error = begin(&change, services, vip, flags, TG_KILL_SOCKETS);
	if (error)
		return error;
	change.kind = PUT;
	error = tg_backends_take(&change.backends, backends, count);
	if (error)
		error = fail_with_name(services, vip, error);
	error = make_change(&change, error, ended);
	return error < 0 ? error : 0;
}

int tg_services_remove(struct tg_services *services, const char *vip, uint32_t flags,
		       uint32_t *ended)
{
	struct change change;
	int error = TG_REQUIRE(services) ?: TG_REQUIRE(vip);

	if (!error)
		error = begin(&change, services, vip, flags, TG_KILL_SOCKETS);
	if (error)
		return error;
	change.kind = REMOVE;
	return make_change(&change, 0, ended);
}

int tg_services_put_backend(struct tg_services *services, const char *vip,
			    const struct tg_backend_spec *backend, uint32_t flags, uint32_t *ended)
{
	struct change change;
	int error = TG_REQUIRE(services) ?: TG_REQUIRE(vip) ?: TG_REQUIRE(backend);

	if (!error)
		error = begin(&change, services, vip, flags,
			      TG_KILL_SOCKETS | TG_KEEP_WEIGHT | TG_KEEP_STATE);
	if (error)
		return error;
	change.kind = PUT_BACKEND;
	change.text = backend->address;
	error = tg_backend_take(&change.backend, backend);
	if (error)
		error = fail_with_name(services, vip, error);
	error = make_change(&change, error, ended);
	return error < 0 ? error : 0;
}

int tg_services_remove_backend(struct tg_services *services, const char *vip, const char *address,
			       uint32_t flags, uint32_t *ended)
{
	struct change change;
	int error = TG_REQUIRE(services) ?: TG_REQUIRE(vip) ?: TG_REQUIRE(address);

	if (!error)
		error = begin(&change, services, vip, flags, TG_KILL_SOCKETS);
	if (error)
		return error;
	change.kind = REMOVE_BACKEND;
	error = tg_backend_take_address(&change.backend, address);
	if (error)
		error = fail_with_name(services, vip, error);
	return make_change(&change, error, ended);
}

/* --- Reading ---------------------------------------------------------------------------- */

int tg_services_info(const struct tg_services *services, struct tg_services_info *info)
{
	struct tg_services_info own = {0};
	int error = TG_REQUIRE(services) ?: info ? tg_struct_check(TG_SERVICES_INFO_KIND, info) : 0;

	if (!error)
		error = tg_live_enter(&services->live);
	if (error)
		return error;
	own.name = services->live.name;
	own.capacity = services->live.table.parts.size;
	own.count = tg_service_books_of(&services->live.table)->count;
	own.bytes = (uint64_t)services->live.table.rows.count * TG_ROW_BYTES;
	own.flags = services->live.readonly ? TG_TABLE_READONLY : 0;
	tg_live_leave(&services->live);
	if (info)
		tg_struct_give(TG_SERVICES_INFO_KIND, info, &own);
	return 0;
}

/* Use the table, with its lock held unless it is for reading only.  End with unlock(). */
static int lock(const struct tg_services *services)
{
	int error = tg_live_enter(&services->live);

	if (error || tg_live_is_readonly(&services->live))
		return error;
	error = tg_service_change(&services->live.table);
	if (error)
		tg_live_leave(&services->live);
	return error ? fail_with_name(services, NULL, error) : 0;
}

static void unlock(const struct tg_services *services)
{
	if (!tg_live_is_readonly(&services->live))
		tg_service_change_end(&services->live.table);
	tg_live_leave(&services->live);
}

int tg_services_next(const struct tg_services *services, uint64_t *cursor, struct tg_vip_info *vip)
{
	struct tg_vip_key key;
	uint32_t backends;
	int result = TG_REQUIRE(services) ?: TG_REQUIRE(cursor) ?: tg_vip_check_info(vip);

	if (!result)
		result = lock(services);
	if (result)
		return result;
	result = tg_service_table_next(&services->live.table, cursor, &key, &backends);
	unlock(services);
	if (result == 1)
		tg_vip_show(&key, backends, vip);
	return result;
}

/* Without the lock, the list may change while it is read: then it is read again. */
static int read_backends(const struct tg_table *table, const struct tg_vip_key *key,
			 struct tg_backend_info *backends, uint32_t capacity, uint32_t *count)
{
	const int most_tries = 1000;
	int result = 0, error = 0;

	for (int tries = 0; tries < most_tries; tries++) {
		uint64_t state = tg_service_table_state(table, key);
		struct tg_backend_rows list = tg_service_table_backends(table, key);

		result = state != 0;
		error = result ? tg_backend_rows_give(&list, backends, capacity, count) : 0;
		if (error || tg_service_table_state(table, key) == state)
			break;
	}
	return error ? error : result;
}

int tg_services_backends(const struct tg_services *services, const char *vip,
			 struct tg_backend_info *backends, uint32_t capacity, uint32_t *count)
{
	struct tg_vip_key key;
	int result = TG_REQUIRE(services) ?: TG_REQUIRE(vip);

	if (!result)
		result = read_vip(services, vip, &key);
	if (!result)
		result = lock(services);
	if (result)
		return result;
	result = read_backends(&services->live.table, &key, backends, capacity, count);
	unlock(services);
	return result;
}
