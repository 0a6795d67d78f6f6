/* SPDX-License-Identifier: MIT */
/* field.c - the fields of a policy, and the keys that they become in an image. */
#include "base/field.h"

#define IN_QUERY(member) .in_query = offsetof(struct tg_query, member)

const struct tg_field_info tg_fields[TG_KEYS] = {
	[TG_KEY_ADDR4] = {TG_FIELD_ENDPOINT, 32, "endpoint", "IPv4 addresses"},
	[TG_KEY_ADDR6] = {TG_FIELD_ENDPOINT, 128, "endpoint", "IPv6 addresses"},
	[TG_KEY_PATH] = {TG_FIELD_ENDPOINT, 32, "endpoint", "paths"},
	[TG_KEY_PORT] = {TG_FIELD_PORT, 16, "port", "ports", "port", IN_QUERY(port)},
	[TG_KEY_PROTO] = {TG_FIELD_PROTO, 16, "proto", "protocols", "protocol number",
			  IN_QUERY(proto)},
	[TG_KEY_FAMILY] = {TG_FIELD_FAMILY, 16, "family", "families", IN_QUERY(family)},
	[TG_KEY_TYPE] = {TG_FIELD_TYPE, 16, "type", "types", IN_QUERY(sock_type)},
	[TG_KEY_UID] = {TG_FIELD_UID, 32, "uid", "uids", "user ID", IN_QUERY(uid)},
	[TG_KEY_GID] = {TG_FIELD_GID, 32, "gid", "gids", "group ID", IN_QUERY(gid)},
	[TG_KEY_PID] = {TG_FIELD_PID, 32, "pid", "pids", "process ID", IN_QUERY(pid)},
	[TG_KEY_MARK] = {TG_FIELD_MARK, 32, "mark", "marks", "mark", true, IN_QUERY(mark)},
	[TG_KEY_DEVICE] = {TG_FIELD_DEVICE, 32, "device", "devices", "device number",
			   IN_QUERY(device)},
	[TG_KEY_COMM] = {TG_FIELD_COMM, 128, "comm", "comms"},
	[TG_KEY_EXE] = {TG_FIELD_EXE, 128, "exe", "executables"},
	[TG_KEY_NETNS] = {TG_FIELD_NETNS, 128, "netns", "network namespaces"},
	[TG_KEY_CGROUP] = {TG_FIELD_CGROUP, 128, "cgroup", "cgroups"},
	[TG_KEY_SOURCE4] = {TG_FIELD_SOURCE, 32, "source", "source IPv4 addresses"},
	[TG_KEY_SOURCE6] = {TG_FIELD_SOURCE, 128, "source", "source IPv6 addresses"},
	[TG_KEY_SOURCE_PORT] = {TG_FIELD_SOURCE, 16, "source", "source ports"},
};

const char *tg_field_name(uint32_t field)
{
	const struct tg_field_info *info =
		field < TG_FIELD_COUNT ? tg_field_info((enum tg_field)field) : NULL;

	return info ? info->name : NULL;
}

const struct tg_field_info *tg_field_info(enum tg_field field)
{
	for (int key = 0; key < TG_KEYS; key++)
		if (tg_fields[key].field == field)
			return &tg_fields[key];
	return NULL;
}

enum tg_key tg_field_key(enum tg_field field)
{
	return tg_field_is_endpoint(field) ? TG_KEYS
					   : (enum tg_key)(tg_field_info(field) - tg_fields);
}

struct tg_key128 tg_key_max(enum tg_key key)
{
	uint32_t bits = tg_fields[key].bits;

	if (bits == 128)
		return (struct tg_key128){UINT64_MAX, UINT64_MAX};
	return (struct tg_key128){0, bits == 16 ? UINT16_MAX : UINT32_MAX};
}
