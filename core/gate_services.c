/* SPDX-License-Identifier: MIT */
/* gate_services.c - the services of a running gate, for its users. */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "gate.h"
#include "service.h"

/* They are kept with the sets. */
static const struct tg_set *live_of(const struct tg_services *services)
{
	return (const struct tg_set *)services;
}

static int fail_with_name(const struct tg_services *services, const char *vip, int error)
{
	return tg_fail(error, "services \"%s\": %s%s%s%s", live_of(services)->name, vip ? "\"" : "",
		       vip ? vip : "", vip ? "\": " : "", tg_error());
}

static int check_alive(const struct tg_services *services)
{
	const struct tg_set *live = live_of(services);

	return live->table.fd >= 0
		       ? 0
		       : tg_fail(-ENOENT,
				 "services \"%s\": the policy in force declares them no more",
				 live->name);
}

int tg_gate_services(const struct tg_gate *gate, const char *name, struct tg_services **services)
{
	for (uint32_t i = 0; i < gate->tables.count; i++) {
		struct tg_set *live = gate->tables.at[i];

		if (strcmp(live->name, name) != 0 || live->table.fd < 0 ||
		    live->kind != TG_TABLE_SERVICES)
			continue;
		*services = (struct tg_services *)live;
		return 0;
	}
	return tg_fail(-ENOENT, "services \"%s\": " TG_NO_TABLE, name);
}

/* Read a VIP and take up the lock. */
static int take_up(const struct tg_services *services, const char *text, struct tg_vip_key *vip)
{
	int error = check_alive(services);

	if (error)
		return error;
	error = tg_vip_parse(text, vip);
	if (error)
		return fail_with_name(services, NULL, error);
	return tg_service_change(&live_of(services)->table);
}

static int put(const struct tg_services *services, const char *text, const struct tg_vip_key *vip,
	       const struct tg_backends *backends)
{
	const struct tg_table *table = &live_of(services)->table;
	int error = tg_service_change(table);

	if (error)
		return error;
	error = tg_service_table_put(table, vip, backends);
	tg_service_change_end(table);
	if (error)
		return tg_fail(
			error,
			"services \"%s\": \"%s\": has no room: there is some for %u services of "
			"ten backends: remove some, or declare them with a larger size",
			live_of(services)->name, text, tg_service_books_of(table)->size);
	return 0;
}

int tg_services_put(struct tg_services *services, const char *text,
		    const struct tg_backend_spec *specs, size_t count)
{
	struct tg_backends backends = {0};
	struct tg_vip_key vip;
	int error = check_alive(services);

	if (error)
		return error;
	error = tg_vip_parse(text, &vip);
	if (error)
		return fail_with_name(services, NULL, error);
	error = tg_backends_take(&backends, specs, count);
	if (!error)
		error = tg_vip_check(&vip, &backends);
	if (error)
		error = fail_with_name(services, text, error);
	else
		error = put(services, text, &vip, &backends);
	tg_backends_free(&backends);
	return error;
}

int tg_services_remove(struct tg_services *services, const char *text)
{
	const struct tg_table *table = &live_of(services)->table;
	struct tg_vip_key vip;
	int error = take_up(services, text, &vip), removed;

	if (error)
		return error;
	removed = tg_service_table_remove(table, &vip);
	tg_service_change_end(table);
	return removed;
}

int tg_services_find(const struct tg_services *services, const char *text, uint32_t *backends)
{
	const struct tg_table *table = &live_of(services)->table;
	struct tg_vip_key vip;
	int error = take_up(services, text, &vip), found;

	if (error)
		return error;
	found = tg_service_table_find(table, &vip, backends);
	tg_service_change_end(table);
	return found;
}

int tg_services_info(const struct tg_services *services, struct tg_services_info *info)
{
	const struct tg_set *live = live_of(services);
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
	const struct tg_table *table = &live_of(services)->table;
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

int tg_services_backend(const struct tg_services *services, const char *text, uint32_t number,
			struct tg_backend_info *info)
{
	const struct tg_table *table = &live_of(services)->table;
	struct tg_vip_key vip;
	int error = take_up(services, text, &vip);

	if (error)
		return error;
	error = tg_service_table_backend(table, &vip, number, info);
	tg_service_change_end(table);
	if (error)
		return tg_fail(error, "services \"%s\": \"%s\": has no backend %u",
			       live_of(services)->name, text, number);
	return 0;
}
