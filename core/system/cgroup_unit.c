/* SPDX-License-Identifier: MIT */
/* cgroup_unit.c - find the cgroup of a systemd unit. */
#define _GNU_SOURCE /* strcasestr() */
#include "system/cgroup_unit.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "system/cgroup_mount.h"
#include "tidegate.h"

/*
 * Whether a unit may have been meant instead: its name contains the one asked
 * for, or starts with the first half of it.
 */
static bool near_name(const char *name, const char *unit)
{
	size_t stem = strcspn(unit, "."), half = (stem + 1) / 2;

	if (!strchr(name, '.') || !stem)
		return false;
	return !strncmp(name, unit, half) || (stem > 3 && strcasestr(name, unit));
}

struct unit_search {
	const char *unit;
	const char *system; /* ROOT/system.slice/ */
	char found[PATH_MAX];
	unsigned int count; /* folders of that name, in system.slice if any is there */
	bool in_system;
	char near[256];
};

static void visit_unit(struct unit_search *search, const FTSENT *entry)
{
	bool in_system = !strncmp(entry->fts_path, search->system, strlen(search->system));
	size_t used = strlen(search->near);

	if (strcmp(entry->fts_name, search->unit)) {
		if (near_name(entry->fts_name, search->unit) &&
		    !strstr(search->near, entry->fts_name) &&
		    used + entry->fts_namelen + 3 < sizeof(search->near))
			sprintf(search->near + used, "%s%s", used ? ", " : "", entry->fts_name);
		return;
	}
	if (search->in_system && !in_system)
		return;
	if (in_system && !search->in_system)
		search->count = 0;
	search->in_system = in_system;
	if (!search->count++)
		snprintf(search->found, sizeof(search->found), "%s", entry->fts_path);
}

static int walk_units(struct unit_search *search, const char *root)
{
	char start[PATH_MAX], *starts[] = {start, NULL};
	FTSENT *entry;
	FTS *tree;

	snprintf(start, sizeof(start), "%s", root);
	tree = fts_open(starts, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	if (!tree)
		return tg_fail_errno(-errno, "%s", root);
	while ((entry = fts_read(tree)))
		if (entry->fts_info == FTS_D && entry->fts_level > 0)
			visit_unit(search, entry);
	fts_close(tree);
	return 0;
}

static int fail_unit(const struct unit_search *search, const char *root)
{
	if (search->count > 1)
		return tg_fail(-ENOTUNIQ,
			       "unit %s: %u cgroups have this name, one of them %s; "
			       "give the path of one",
			       search->unit, search->count, search->found);
	if (*search->near)
		return tg_fail(-ENOENT, "unit %s: no cgroup below %s has this name; there is %s",
			       search->unit, root, search->near);
	return tg_fail(-ENOENT,
		       "unit %s: no cgroup below %s has this name; is the unit running? "
		       "(systemctl status %s)",
		       search->unit, root, search->unit);
}

/* systemd names a unit's folder after the unit; "nginx" is short for "nginx.service". */
int tg_cgroup_find_unit(const char *name, char *path, size_t size)
{
	char root[PATH_MAX], system[PATH_MAX + 16], unit[NAME_MAX + 1];
	struct unit_search search = {.unit = unit, .system = system};
	int error;

	if (!*name || strchr(name, '/') || strlen(name) > NAME_MAX - 8)
		return tg_fail(
			-EINVAL,
			"\"unit:%s\" is not the name of a unit, as in \"unit:nginx.service\"",
			name);
	snprintf(unit, sizeof(unit), "%s%s", name, strchr(name, '.') ? "" : ".service");
	error = tg_cgroup_root(root, sizeof(root));
	if (error)
		return error;
	snprintf(system, sizeof(system), "%s/system.slice/", root);
	error = walk_units(&search, root);
	if (error)
		return error;
	if (search.count != 1)
		return fail_unit(&search, root);
	return tg_path_give(search.found, path, size);
}
