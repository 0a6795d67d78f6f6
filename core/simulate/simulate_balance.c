/* SPDX-License-Identifier: MIT */
/* simulate_balance.c - the backend that a call goes to, as far as its query determines it. */
#include "simulate/simulate_balance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "bpf/engine/keys.h"
#include "bpf/engine/pick.h"
#include "bpf/engine/service_lookup.h"
#include "bpf/engine/tree_search.h"
#include "image/image_backends.h"
#include "parse/address.h"
#include "table/service.h"

/* The task's own cgroup. */
static uint64_t query_cgroup(const struct tg_query *query)
{
	uint64_t id = TG_ROOT_CGROUP;

	for (int level = 0; level <= TG_CGROUP_DEPTH && query->cgroup[level]; level++)
		id = query->cgroup[level];
	return id;
}

/* The address that the rules judge: 0.0.0.0 and :: have been replaced by what they mean. */
static struct tg_key128 judged_address(const struct tg_keys *keys)
{
	if (keys->is4)
		return (struct tg_key128){0, TG_MAPPED_LO | keys->addr4};
	return (struct tg_key128){keys->addr6[0], keys->addr6[1]};
}

/* Like tg_balance_key() in the programs; 0 for keys that a query does not have. */
static uint64_t balance_key(const struct tg_query *query, const struct tg_keys *keys, uint32_t by)
{
	struct tg_key128 address = judged_address(keys);

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
		return tg_destination_key(address.hi, address.lo, query->port);
	default:
		return 0;
	}
}

/* The search for the VIP that the call is for. */
static struct tg_service_pick ask_service(const struct tg_keys *keys,
					  const struct tg_term_rest *rest)
{
	struct tg_key128 address = judged_address(keys);

	return (struct tg_service_pick){
		.table = TG_TABLE(keys, rest->services - 1),
		.high = address.hi,
		.low = address.lo,
		.what = TG_VIP_WHAT(keys->port, TG_VIP_PROTO(keys->proto)),
		.place = TG_NO_SERVICE,
	};
}

bool tg_balance_backends(const struct tg_asked *asked, const struct tg_term_rest *rest,
			 struct tg_backend_rows *backends)
{
	struct tg_service_pick pick;
	const struct tg_vip *vip;
	int place;

	if (!rest->services) {
		*backends = tg_image_block_backends(asked->view.rows, rest->block);
		return backends->count;
	}
	pick = ask_service(&asked->keys, rest);
	place = tg_vip_seek(pick.table, pick.what, pick.high, pick.low);
	vip = place < 0 ? NULL : tg_vip_at(pick.table, (uint32_t)place);
	if (!vip || !TG_VIP_UNIT(vip->state))
		return false;
	*backends = tg_service_backends(pick.table, vip->state);
	return true;
}

/* The choice among the backends of a rule. */
static int choose_of_block(const struct tg_view *view, const struct tg_term_rest *rest,
			   uint64_t key, struct tg_decision *decision)
{
	const struct tg_image_about *about = tg_row(view, 1);
	tg_table_ref table = TG_TABLE(view, about->tables - 1);
	int place = tg_block_pick(table, rest->block, rest->extent, key, TG_SEED_OF_NONE);
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

/* The choice among the backends of a service. */
static int choose_of_service(const struct tg_keys *keys, const struct tg_term_rest *rest,
			     uint64_t key, struct tg_decision *decision)
{
	struct tg_service_pick pick = ask_service(keys, rest);

	pick.by = (struct tg_choice_by){key, TG_SEED_OF_NONE};
	tg_service_choose(&pick);
	if (pick.place < 0)
		return pick.place;
	memcpy(decision->addr, pick.addr_be, 16);
	if (pick.port_be)
		decision->port = ntohs((uint16_t)pick.port_be);
	return 0;
}

int tg_balance_decide(const struct tg_asked *asked, const struct tg_term *term,
		      const struct tg_query *query, struct tg_decision *decision)
{
	const struct tg_term_rest *rest = tg_row(&asked->view, term->rest_row);
	struct tg_decision chosen = *decision;
	struct tg_backend_rows backends;
	int error = TG_NO_BACKEND;
	uint64_t key;
	bool found;

	if (!rest)
		return -EFAULT;
	found = tg_balance_backends(asked, rest, &backends);
	if (!found && !rest->services)
		return -EFAULT;
	key = balance_key(query, &asked->keys, rest->by);
	if (found)
		error = rest->services ? choose_of_service(&asked->keys, rest, key, &chosen)
				       : choose_of_block(&asked->view, rest, key, &chosen);
	if (error == TG_NO_BACKEND)
		decision->error = term->error;
	if (error)
		return error == TG_NO_BACKEND ? 0 : error;
	if ((rest->by <= TG_BY_SOCKET || rest->sticky_ms) && backends.count > 1)
		decision->flags |= TG_DECISION_BY_CHANCE;
	else
		*decision = chosen;
	return 0;
}
