/* SPDX-License-Identifier: MIT */
/* list.c - lists of patterns, and adding items to them. */
#include "policy/list.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/field.h"
#include "base/text_file.h"
#include "parse/endpoint.h"
#include "parse/named_range.h"
#include "parse/table_name.h"
#include "parse/value.h"
#include "policy/list_sets.h"

int tg_list_new(enum tg_field field, uint32_t flags, struct tg_list **list)
{
	struct tg_list *fresh;
	int error = TG_REQUIRE(list);

	if (!error)
		error = tg_check_bits("tg_list_new: flags", flags, TG_LIST_NUMERIC);
	if (error)
		return error;
	if ((unsigned int)field >= TG_FIELD_COUNT)
		return tg_fail(-EINVAL, "tg_list_new: %d is not a field", (int)field);
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return tg_fail(-ENOMEM, "out of memory: no room for a list");
	fresh->field = field;
	fresh->flags = flags;
	*list = fresh;
	return 0;
}

static void free_side(struct tg_list_side *side)
{
	tg_products_free(&side->endpoints);
	tg_path_set_free(&side->paths);
	tg_intervals_free(&side->values);
}

void tg_list_free(struct tg_list *list)
{
	if (!list)
		return;
	free_side(&list->included);
	free_side(&list->excluded);
	tg_set_uses_free(&list->sets);
	tg_set_uses_free(&list->less);
	tg_cgroups_free(&list->cgroups);
	free(list);
}

static bool is_numeric(const struct tg_list *list)
{
	return list->flags & TG_LIST_NUMERIC;
}

/* Addresses go to the product of their ports; of a name, all of them or none. */
static int add_endpoint(struct tg_list *list, const char *item)
{
	struct tg_endpoint endpoint;
	struct tg_list_side *side;
	struct tg_product *product;
	struct tg_interval ports;
	int error = is_numeric(list) ? tg_endpoint_parse_numeric(item, &endpoint)
				     : tg_endpoint_parse(item, &endpoint);

	if (error)
		return error;
	side = endpoint.negated ? &list->excluded : &list->included;
	if (endpoint.is_unix) {
		error = tg_path_set_add(&side->paths, &endpoint.path);
		side->any |= !error;
		return error;
	}
	ports.first = (struct tg_key128){0, endpoint.port_first};
	ports.last = (struct tg_key128){0, endpoint.port_last};
	error = tg_products_find(&side->endpoints, &(struct tg_intervals){&ports, 1, 1}, &product);
	if (!error)
		error = tg_intervals_reserve(&product->addr4, endpoint.count);
	if (!error && (endpoint.count > 1 || endpoint.ranges[0].v6))
		error = tg_intervals_reserve(&product->addr6, endpoint.count);
	for (unsigned int i = 0; i < endpoint.count && !error; i++) {
		const struct tg_address_range *range = &endpoint.ranges[i];

		error = tg_intervals_add(range->v6 ? &product->addr6 : &product->addr4,
					 range->first, range->last);
	}
	if (error)
		return error;
	side->any = true;
	list->names_any4 |= tg_endpoint_names_any(&endpoint, false);
	list->names_any6 |= tg_endpoint_names_any(&endpoint, true);
	return 0;
}

static int add_value(struct tg_list *list, const char *item)
{
	static const struct tg_key128 mptcp = {.lo = IPPROTO_MPTCP};
	struct tg_list_side *side;
	struct tg_value value;
	int error = tg_value_parse(list->field, item, is_numeric(list), &value);

	if (error)
		return error;
	side = value.negated ? &list->excluded : &list->included;
	if (list->field == TG_FIELD_CGROUP)
		error = tg_cgroups_add(&list->cgroups, value.negated, &value.cgroup);
	else
		error = tg_intervals_add(&side->values, value.first, value.last);
	if (!error && value.and_mptcp)
		error = tg_intervals_add(&side->values, mptcp, mptcp);
	if (!error)
		side->any = true;
	return error;
}

/* "@private": the addresses of the range, with these ports. */
static int add_range(struct tg_list *list, enum tg_named_range range, bool negated,
		     const struct tg_intervals *ports)
{
	struct tg_list_side *side = negated ? &list->excluded : &list->included;
	struct tg_product *product;
	int error = tg_products_find(&side->endpoints, ports, &product);

	return error ?: tg_named_range_add(range, &product->addr4, &product->addr6);
}

/* "@banned": any address with these ports, if the live set has the address at that time. */
static int add_set(struct tg_list *list, const char *item, const struct tg_table_item *table,
		   const struct tg_intervals *ports)
{
	struct tg_set_uses *uses = table->negated ? &list->less : &list->sets;
	struct tg_set_use *use = tg_set_uses_find(uses, table->name);
	int error = 0;

	if (!use && table->negated && uses->count == TG_SECTION_SETS)
		return tg_fail(-E2BIG, "\"%s\": a list excludes at most %u live sets", item,
			       TG_SECTION_SETS);
	if (!use)
		error = tg_set_uses_add(uses, table->name, &use);
	return error ?: tg_products_any_address(&use->products, ports);
}

static int add_named(struct tg_list *list, const char *item)
{
	struct tg_interval ports = {{0}, {0}};
	const struct tg_intervals set = {&ports, 1, 1};
	struct tg_table_item named;
	int range, error = tg_table_item_parse(item, is_numeric(list), &named);

	if (error)
		return error;
	ports.first.lo = named.port_first;
	ports.last.lo = named.port_last;
	range = tg_named_range_find(named.name);
	/* The set of this name, which the library fills, has the addresses of the host. */
	if (range < 0 || range == TG_RANGE_LOCAL)
		error = add_set(list, item, &named, &set);
	else
		error = add_range(list, range, named.negated, &set);
	if (error)
		return error;
	if (named.negated)
		list->excluded.any = true;
	else
		list->included.any = true;
	return 0;
}

int tg_list_add(struct tg_list *list, const char *item)
{
	int error = TG_REQUIRE(list);

	if (!error)
		error = TG_REQUIRE(item);
	if (error)
		return error;
	if (tg_field_is_endpoint(list->field))
		return tg_table_item_is(item) ? add_named(list, item) : add_endpoint(list, item);
	error = add_value(list, item);
	if (error && tg_table_item_is(item))
		error = tg_fail(
			-EINVAL,
			"\"%s\": names addresses: only an operation, or source, can have it", item);
	return error;
}

static bool has_ports(const struct tg_products *products)
{
	struct tg_key128 max = tg_key_max(TG_KEY_PORT);

	for (size_t i = 0; i < products->count; i++)
		if (!tg_intervals_is_all(&products->at[i].port, max))
			return true;
	return false;
}

static bool uses_have_ports(const struct tg_set_uses *uses)
{
	for (size_t i = 0; i < uses->count; i++)
		if (has_ports(&uses->at[i].products))
			return true;
	return false;
}

static int check_product(const struct tg_list *list, const struct tg_list *addrs,
			 const struct tg_list *ports)
{
	if (!tg_field_is_endpoint(list->field))
		return tg_fail(-EINVAL, "only a list of endpoints has addresses and ports");
	if (addrs && addrs->field != TG_FIELD_ENDPOINT)
		return tg_fail(-EINVAL, "addr: not a list of addresses");
	if (ports && ports->field != TG_FIELD_PORT)
		return tg_fail(-EINVAL, "port: not a list of ports");
	if (addrs &&
	    (has_ports(&addrs->included.endpoints) || has_ports(&addrs->excluded.endpoints) ||
	     uses_have_ports(&addrs->sets) || uses_have_ports(&addrs->less)))
		return tg_fail(-EINVAL, "addr: an address here has no port: write it as port = …");
	if (addrs && ports && (addrs->included.paths.count || addrs->excluded.paths.count))
		return tg_fail(-EINVAL, "port: a unix socket has none: leave it out, or write the "
					"unix: endpoints as separate items");
	return 0;
}

/* The sets of a list; NULL means everything. */
static int sets_or_all(const struct tg_list *list, enum tg_field field, struct tg_list_sets *sets)
{
	struct tg_list all = {.field = field};
	int error;

	if (list)
		return tg_list_to_sets(list, sets);
	error = tg_list_add(&all, "*");
	if (!error)
		error = tg_list_to_sets(&all, sets);
	free_side(&all.included);
	return error;
}

static int append_set(struct tg_intervals *to, const struct tg_intervals *from)
{
	int error = tg_intervals_reserve(to, from->count);

	for (size_t i = 0; i < from->count && !error; i++)
		error = tg_intervals_add(to, from->at[i].first, from->at[i].last);
	return error;
}

/* Add uses of sets, with these ports in place of their own. */
static int add_uses(struct tg_list *list, const struct tg_set_uses *uses,
		    const struct tg_intervals *ports)
{
	size_t first = list->sets.count;
	int error = tg_set_uses_append(&list->sets, uses);

	for (size_t i = first; i < list->sets.count && !error; i++) {
		struct tg_products *products = &list->sets.at[i].products;

		for (size_t k = 0; k < products->count && !error; k++) {
			tg_intervals_free(&products->at[k].port);
			error = tg_intervals_copy(&products->at[k].port, ports);
		}
	}
	return error;
}

int tg_list_add_product(struct tg_list *list, const struct tg_list *addrs,
			const struct tg_list *ports)
{
	struct tg_list_sets addr = {0}, port = {0};
	struct tg_product *product;
	int error = TG_REQUIRE(list);

	if (!error)
		error = check_product(list, addrs, ports);
	if (!error)
		error = sets_or_all(addrs, TG_FIELD_ENDPOINT, &addr);
	if (!error)
		error = sets_or_all(ports, TG_FIELD_PORT, &port);
	if (!error && addr.uses && port.set.count)
		error = add_uses(list, addr.uses, &port.set);
	/* Addresses without ports are one product, or none. */
	if (!error && addr.product_count && port.set.count) {
		error = tg_products_find(&list->included.endpoints, &port.set, &product);
		if (!error)
			error = tg_intervals_reserve(&product->addr6, addr.products[0].addr6.count);
		if (!error)
			error = append_set(&product->addr4, &addr.products[0].addr4);
		if (!error)
			error = append_set(&product->addr6, &addr.products[0].addr6);
	}
	if (!error)
		error = tg_path_set_add_all(&list->included.paths, &addr.paths);
	if (!error) {
		list->included.any = true;
		list->names_any4 |= addrs && addrs->names_any4;
		list->names_any6 |= addrs && addrs->names_any6;
	}
	tg_list_sets_free(&addr);
	tg_list_sets_free(&port);
	return error;
}

static int copy_side(struct tg_list_side *out, const struct tg_list_side *side)
{
	int error = tg_products_copy(&out->endpoints, &side->endpoints);

	out->any = side->any;
	if (!error)
		error = tg_path_set_copy(&out->paths, &side->paths);
	return error ? error : tg_intervals_copy(&out->values, &side->values);
}

int tg_list_copy(struct tg_list **out, const struct tg_list *list)
{
	struct tg_list *copy;
	int error = tg_list_new(list->field, list->flags, &copy);

	if (error)
		return error;
	copy->names_any4 = list->names_any4;
	copy->names_any6 = list->names_any6;
	error = tg_set_uses_append(&copy->sets, &list->sets);
	if (!error)
		error = tg_set_uses_append(&copy->less, &list->less);
	if (!error)
		error = copy_side(&copy->included, &list->included);
	if (!error)
		error = copy_side(&copy->excluded, &list->excluded);
	if (!error)
		error = tg_cgroups_copy(&copy->cgroups, &list->cgroups);
	if (error)
		tg_list_free(copy);
	else
		*out = copy;
	return error;
}

static int normalise_side(struct tg_list_side *side)
{
	int error = tg_products_normalise(&side->endpoints);

	if (!error)
		error = tg_path_set_normalise(&side->paths);
	return error ? error : tg_intervals_normalise(&side->values);
}

int tg_list_normalise(struct tg_list *list)
{
	int error = normalise_side(&list->included);

	return error ? error : normalise_side(&list->excluded);
}

static int add_item(void *list, const char *item)
{
	return tg_list_add(list, item);
}

int tg_list_load(struct tg_list *list, const char *path)
{
	struct tg_list *loaded;
	int error = TG_REQUIRE(list);

	if (!error)
		error = TG_REQUIRE(path);
	if (!error)
		error = tg_list_copy(&loaded, list);
	/* All items or none are added: they go into a copy, which then replaces the list. */
	if (error)
		return error;
	error = tg_lines_each(path, add_item, loaded);
	if (!error)
		error = tg_list_normalise(loaded);
	if (!error) {
		struct tg_list old = *list;

		*list = *loaded;
		*loaded = old;
	}
	tg_list_free(loaded);
	return error;
}
