/* SPDX-License-Identifier: MIT */
/* simulate_balance.c - the backend that a call goes to, as far as a query tells. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "image.h"
#include "service.h"
#include "simulate.h"

/* The task's own cgroup. */
static uint64_t query_cgroup(const struct tg_query *query)
{
	uint64_t id = ROOT_CGROUP;

	for (int level = 0; level <= TG_CGROUP_DEPTH && query->cgroup[level]; level++)
		id = query->cgroup[level];
	return id;
}

/* As tg_balance_key() has it, where a query can tell. */
static uint64_t balance_key(const struct tg_query *query, uint32_t by)
{
	switch (by) {
	case TG_BY_PID:
		return query->pid;
	case TG_BY_UID:
		return query->uid;
	case TG_BY_CGROUP:
		return query_cgroup(query);
	case TG_BY_NETNS:
		return query->netns;
	case TG_BY_DESTINATION:
		return tg_destination_key(tg_be64(query->addr), tg_be64(query->addr + 8),
					  query->port);
	default:
		return 0;
	}
}

/* What is asked for, as a VIP. */
static struct tg_service_pick ask_service(const struct tg_view *view, const struct tg_more *more,
					  const struct tg_query *query)
{
	struct tg_vip_key vip = tg_vip_asked(query->addr, query->port, query->proto);

	return (struct tg_service_pick){
		.table = TG_TABLE(view, more->services - 1),
		.high = vip.high,
		.low = vip.low,
		.what = vip.what,
	};
}

/* The list that a call is balanced over; NULL: there is none. */
const struct tg_block *tg_balance_list(const struct tg_view *view, const struct tg_more *more,
				       const struct tg_query *query)
{
	const struct tg_image_about *about = tg_row(view, 1);
	struct tg_service_pick pick;
	const struct tg_vip *vip;
	int place;

	if (!more->services)
		return tg_image_blocks(view->rows)
			       ? tg_table_row(TG_TABLE(view, about->tables - 1), more->block)
			       : NULL;
	pick = ask_service(view, more, query);
	place = tg_vip_find(pick.table, pick.what, pick.high, pick.low);
	vip = place < 0 ? NULL : tg_vip_at(pick.table, (uint32_t)place);
	if (!vip || !TG_VIP_BLOCK(vip->state))
		return NULL;
	return tg_table_row(pick.table, tg_arena_row(pick.table, TG_VIP_BLOCK(vip->state)));
}

/* Where a list of the image leads. */
static int choose_of_block(const struct tg_view *view, const struct tg_more *more, uint64_t key,
			   struct tg_decision *decision)
{
	const struct tg_image_about *about = tg_row(view, 1);
	tg_table_ref table = TG_TABLE(view, about->tables - 1);
	int place = tg_balance_pick(table, more->block, key, TG_SEED_OF_NONE);
	const struct tg_backend *backend;

	if (place == TG_NO_BACKEND)
		return place;
	backend = place < 0 ? NULL : tg_backend_at(table, (uint32_t)place);
	if (!backend)
		return -EFAULT;
	memcpy(decision->addr, backend->addr_be, 16);
	if (backend->port_be)
		decision->port = ntohs(backend->port_be);
	return 0;
}

static int choose_of_service(const struct tg_view *view, const struct tg_more *more, uint64_t key,
			     const struct tg_query *query, struct tg_decision *decision)
{
	struct tg_service_pick pick = ask_service(view, more, query);

	pick.by = (struct tg_choice_by){key, TG_SEED_OF_NONE};
	tg_service_choose(&pick);
	if (pick.result)
		return pick.result;
	memcpy(decision->addr, pick.addr_be, 16);
	if (pick.port_be)
		decision->port = ntohs((uint16_t)pick.port_be);
	return 0;
}

int tg_balance_decide(const struct tg_view *view, const struct tg_term *term,
		      const struct tg_query *query, struct tg_decision *decision)
{
	const struct tg_more *more = tg_row(view, term->more_row);
	const struct tg_block *list = more ? tg_balance_list(view, more, query) : NULL;
	struct tg_decision chosen = *decision;
	uint64_t key;
	int err = TG_NO_BACKEND;

	if (!more || (!list && !more->services))
		return -EFAULT;
	key = balance_key(query, more->by);
	if (list)
		err = more->services ? choose_of_service(view, more, key, query, &chosen)
				     : choose_of_block(view, more, key, &chosen);
	if (err == TG_NO_BACKEND)
		decision->error = term->error;
	if (err)
		return err == TG_NO_BACKEND ? 0 : err;
	if ((more->by <= TG_BY_SOCKET || more->sticky_ms) && list->backends > 1)
		decision->open = true;
	else
		*decision = chosen;
	return 0;
}
