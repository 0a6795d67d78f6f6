/* SPDX-License-Identifier: MIT */
/* gate_services.c - the services of a running gate: the public functions. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "gate/gate.h"
#include "gate/kill.h"
#include "table/service.h"

static int fail_with_name(const struct tg_services *services, const char *vip, int error)
{
	return tg_fail(error, "services \"%s\": %s%s%s%s", services->live.name, vip ? "\"" : "",
		       vip ? vip : "", vip ? "\": " : "", tg_error());
}

static int check_alive(const struct tg_services *services)
{
	const struct tg_live *live = &services->live;

	return live->table.fd >= 0
		       ? 0
		       : tg_fail(-ENOENT,
				 "services \"%s\": the policy in force declares them no more",
				 live->name);
}

int tg_gate_services(const struct tg_gate *gate, const char *name, struct tg_services **services)
{
	struct tg_live *found = tg_gate_live(gate, name, TG_TABLE_SERVICES);

	if (!found)
		return tg_fail(-ENOENT, "services \"%s\": " TG_NO_TABLE, name);
	*services = (struct tg_services *)found;
	return 0;
}

/* Parse a VIP, and check that the services are in force. */
static int read_vip(const struct tg_services *services, const char *text, struct tg_vip_key *vip)
{
	int error = check_alive(services);

	if (error)
		return error;
	error = tg_vip_parse(text, vip);
	return error ? fail_with_name(services, NULL, error) : 0;
}

/* Like read_vip(), and locks the table: end with tg_service_change_end(). */
static int lock_vip(const struct tg_services *services, const char *text, struct tg_vip_key *vip)
{
	int error = read_vip(services, text, vip);

	return error ? error : tg_service_change(&services->live.table);
}

/*
 * The VIP's backends that are not in `kept`, or are down there.  `kept` may be
 * NULL.  The caller has locked the table.
 */
static int find_gone(const struct tg_table *table, const struct tg_vip_key *vip,
		     const struct tg_backends *kept, struct tg_backends *gone)
{
	uint32_t count = 0;

	if (!tg_service_table_find(table, vip, &count) || !count)
		return 0;
	gone->at = calloc(count, sizeof(*gone->at));
	if (!gone->at)
		return tg_fail(-ENOMEM, "out of memory: no room for %u backends", count);
	for (uint32_t i = 0; i < count; i++) {
		struct tg_backend_place *place = &gone->at[gone->count];
		struct tg_backend_info info;

		tg_service_table_backend(table, vip, i, &info);
		memcpy(place->addr_be, info.addr, sizeof(place->addr_be));
		place->port_be = htons((uint16_t)info.port);
		gone->count += !kept || !tg_backends_serve(kept, place);
	}
	return 0;
}

/*
 * Replace a VIP's backends.  With NULL, remove the VIP: returns 1, or 0 if it did
 * not exist.  `gone`, if it is not NULL, gets the backends that it no longer has.
 */
static int change(const struct tg_services *services, const struct tg_vip_key *vip,
		  const struct tg_backends *backends, struct tg_backends *gone)
{
	const struct tg_table *table = &services->live.table;
	int result = tg_service_change(table);

	if (result)
		return result;
	if (gone)
		result = find_gone(table, vip, backends, gone);
	if (!result)
		result = backends ? tg_service_table_put(table, vip, backends)
				  : tg_service_table_remove(table, vip);
	tg_service_change_end(table);
	return result;
}

/* Like change(), and ends the sockets that are connected to the backends that are gone. */
static int change_and_kill(const struct tg_services *services, const struct tg_vip_key *vip,
			   const struct tg_backends *backends, uint32_t *ended)
{
	struct tg_gate *gate = services->live.gate;
	struct tg_backends gone = {0};
	int error, result = tg_kill_prepare(gate);

	if (result)
		return result;
	result = change(services, vip, backends, &gone);
	error = result < 0 ? 0 : tg_kill_service(gate, vip, &gone, ended);
	tg_backends_free(&gone);
	return error ? error : result;
}

static int put(const struct tg_services *services, const char *text, const struct tg_vip_key *vip,
	       const struct tg_backends *backends, uint32_t *ended)
{
	int error = ended ? change_and_kill(services, vip, backends, ended)
			  : change(services, vip, backends, NULL);

	if (error != -ENOSPC)
		return error;
	return tg_fail(
		error,
		"services \"%s\": \"%s\": does not fit: they have room for %u services of ten "
		"backends: remove some, or declare them with a larger size",
		services->live.name, text, tg_service_books_of(&services->live.table)->size);
}

int tg_services_put(struct tg_services *services, const char *text,
		    const struct tg_backend_spec *specs, size_t count, uint32_t *ended)
{
	struct tg_backends backends = {0};
	struct tg_vip_key vip;
	int error = read_vip(services, text, &vip);

	if (error)
		return error;
	error = tg_backends_take(&backends, specs, count);
	if (!error)
		error = tg_vip_check(&vip, &backends);
	if (error)
		error = fail_with_name(services, text, error);
	else
		error = put(services, text, &vip, &backends, ended);
	tg_backends_free(&backends);
	return error;
}

int tg_services_remove(struct tg_services *services, const char *text, uint32_t *ended)
{
	struct tg_vip_key vip;
	int error = read_vip(services, text, &vip);

	if (error)
		return error;
	return ended ? change_and_kill(services, &vip, NULL, ended)
		     : change(services, &vip, NULL, NULL);
}

int tg_services_info(const struct tg_services *services, struct tg_services_info *info)
{
	const struct tg_live *live = &services->live;
	int error = check_alive(services);

	if (error)
		return error;
	*info = (struct tg_services_info){
		.size = sizeof(*info),
		.name = live->name,
		.room = tg_service_books_of(&live->table)->size,
		.count = tg_service_books_of(&live->table)->count,
		.bytes = (uint64_t)live->table.rows.count * TG_ROW_BYTES,
	};
	return 0;
}

int tg_services_next(const struct tg_services *services, uint64_t *cursor, struct tg_vip_info *vip)
{
	const struct tg_table *table = &services->live.table;
	struct tg_vip_key key;
	uint32_t backends;
	int found, error = check_alive(services);

	if (!error)
		error = tg_service_change(table);
	if (error)
		return error;
	found = tg_service_table_next(table, cursor, &key, &backends);
	tg_service_change_end(table);
	if (found)
		tg_vip_show(&key, backends, vip);
	return found;
}

int tg_services_backends(const struct tg_services *services, const char *text,
			 struct tg_backend_info *backends, uint32_t room, uint32_t *count)
{
	const struct tg_table *table = &services->live.table;
	struct tg_vip_key vip;
	int error = lock_vip(services, text, &vip), found;

	if (error)
		return error;
	found = tg_service_table_find(table, &vip, count);
	for (uint32_t i = 0; found && i < *count && i < room; i++)
		tg_service_table_backend(table, &vip, i, &backends[i]);
	tg_service_change_end(table);
	return found;
}
