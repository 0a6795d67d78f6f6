/* SPDX-License-Identifier: MIT */
/*
 * list_sets.c - the sets of random lists of endpoints, against a model of their items.
 *
 * An item is drawn as numbers, spelled as text for the library, and kept as
 * numbers for the model.  Then the two must agree on every address and port of a
 * small world.  The seed is the first argument.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/field.h"
#include "policy/policy.h"
#include "policy/set_use.h"
#include "tidegate.h"

/* Addresses 0 to 15 are 10.0.0.0 to 10.0.0.15, 16 to 31 are 2001:db8::0 to ::f. */
#define WORLD 32
#define PORTS 12
#define ITEMS 10

/* Live sets, and what each contains in the present round. */
#define SETS 3
static bool contains[SETS][WORLD];

struct item {
	bool negated;
	int set;                   /* a live set; -1: the addresses that follow */
	int first, last;           /* addresses; only "*" has both families */
	int port_first, port_last; /* port_first -1: any */
};

static unsigned int seed;

static void fail(const char *what)
{
	fprintf(stderr, "seed %u: %s: %s\n", seed, what, tg_error());
	exit(1);
}

static struct item draw(void)
{
	struct item item = {.negated = rand() % 3 == 0, .set = -1, .port_first = -1};
	int side = rand() % 5;

	if (rand() % 4 == 0) {
		item.set = rand() % SETS;
	} else if (side == 0) {
		item.last = WORLD - 1;
	} else {
		item.first = rand() % 16;
		item.last = rand() % 2 ? item.first : item.first + rand() % (16 - item.first);
		item.first += side < 3 ? 0 : 16;
		item.last += side < 3 ? 0 : 16;
	}
	if (rand() % 2) {
		item.port_first = rand() % PORTS;
		item.port_last = rand() % 2 ? item.port_first
					    : item.port_first + rand() % (PORTS - item.port_first);
	}
	return item;
}

static void spell_address(char *text, int address)
{
	if (address < 16)
		sprintf(text, "10.0.0.%d", address);
	else
		sprintf(text, "2001:db8::%x", address - 16);
}

static void spell(char *text, const struct item *item)
{
	char first[40], last[40], port[40] = "";

	spell_address(first, item->first);
	spell_address(last, item->last);
	if (item->port_first >= 0)
		sprintf(port, ":%d-%d", item->port_first, item->port_last);
	text += sprintf(text, "%s", item->negated ? "!" : "");
	if (item->set >= 0)
		sprintf(text, "@s%d%s", item->set, port);
	else if (item->last - item->first == WORLD - 1)
		sprintf(text, "*%s", port);
	else if (item->first >= 16)
		sprintf(text, "[%s-%s]%s", first, last, port);
	else if (item->first % 4 == 0 && item->last == item->first + 3)
		sprintf(text, "%s/30%s", first, port);
	else
		sprintf(text, "%s-%s%s", first, last, port);
}

static void draw_sets(void)
{
	for (int set = 0; set < SETS; set++)
		for (int address = 0; address < WORLD; address++)
			contains[set][address] = rand() % 3 == 0;
}

static bool item_holds(const struct item *item, int address, int port)
{
	bool here = item->set >= 0 ? contains[item->set][address]
				   : address >= item->first && address <= item->last;

	return here &&
	       (item->port_first < 0 || (port >= item->port_first && port <= item->port_last));
}

static bool model_holds(const struct item *items, int count, int address, int port)
{
	bool positive = false, holds = false, excluded = false;

	for (int i = 0; i < count; i++) {
		bool here = item_holds(&items[i], address, port);

		positive |= !items[i].negated;
		holds |= !items[i].negated && here;
		excluded |= items[i].negated && here;
	}
	return count && (holds || !positive) && !excluded;
}

static bool products_hold(const struct tg_product *products, size_t count, int address, int port)
{
	struct tg_key128 v4 = {0, 0x0a000000u + (unsigned int)address};
	struct tg_key128 v6 = {0x20010db8ull << 32, (unsigned int)address - 16};
	bool holds = false;

	for (size_t i = 0; i < count; i++) {
		const struct tg_product *product = &products[i];

		holds |= tg_intervals_contains(&product->port,
					       (struct tg_key128){0, (unsigned int)port}) &&
			 (address < 16 ? tg_intervals_contains(&product->addr4, v4)
				       : tg_intervals_contains(&product->addr6, v6));
	}
	return holds;
}

static bool set_contains(const char *name, int address)
{
	return contains[name[1] - '0'][address];
}

static bool use_holds(const struct tg_set_use *use, int address, int port)
{
	for (uint32_t i = 0; i < use->except_count; i++)
		if (set_contains(use->except[i], address))
			return false;
	return (!use->set || set_contains(use->set, address)) &&
	       products_hold(use->products.at, use->products.count, address, port);
}

static bool meaning_holds(const struct tg_list_sets *sets, int address, int port)
{
	bool holds = products_hold(sets->products, sets->product_count, address, port);

	for (size_t i = 0; sets->uses && i < sets->uses->count; i++)
		holds |= use_holds(&sets->uses->at[i], address, port);
	return holds;
}

static void compare(const struct tg_list *list, const struct item *items, int count)
{
	struct tg_list_sets sets;

	if (tg_list_to_sets(list, &sets))
		fail("meaning");
	for (int address = 0; address < WORLD; address++) {
		for (int port = 0; port <= PORTS; port++) {
			if (meaning_holds(&sets, address, port) ==
			    model_holds(items, count, address, port))
				continue;
			fprintf(stderr, "seed %u: address %d port %d differs in:\n", seed, address,
				port);
			for (int i = 0; i < count; i++) {
				char text[160];

				spell(text, &items[i]);
				fprintf(stderr, "  %s\n", text);
			}
			exit(1);
		}
	}
	tg_list_sets_free(&sets);
}

static void check_list(void)
{
	struct item items[ITEMS];
	struct tg_list *list;
	char text[160];
	int count = rand() % (ITEMS + 1);

	if (tg_list_new(TG_FIELD_ENDPOINT, 0, &list))
		fail("new");
	for (int i = 0; i < count; i++) {
		items[i] = draw();
		spell(text, &items[i]);
		if (tg_list_add(list, text))
			fail(text);
	}
	compare(list, items, count);
	tg_list_free(list);
}

/* `{ addr = …, port = … }`: a list of addresses times a list of ports. */
static void check_product(void)
{
	struct tg_list *list, *addrs, *ports;
	struct item a[3], p[3];
	struct tg_list_sets sets;
	char text[160];
	int a_count = rand() % 4, p_count = rand() % 4;

	if (tg_list_new(TG_FIELD_ENDPOINT, 0, &list) || tg_list_new(TG_FIELD_ENDPOINT, 0, &addrs) ||
	    tg_list_new(TG_FIELD_PORT, 0, &ports))
		fail("new");
	for (int i = 0; i < a_count; i++) {
		a[i] = draw();
		a[i].port_first = -1;
		spell(text, &a[i]);
		if (tg_list_add(addrs, text))
			fail(text);
	}
	for (int i = 0; i < p_count; i++) {
		p[i] = draw();
		p[i].set = -1;
		p[i].first = 0;
		p[i].last = WORLD - 1;
		if (p[i].port_first < 0)
			p[i].port_first = p[i].port_last = 1;
		sprintf(text, "%s%d-%d", p[i].negated ? "!" : "", p[i].port_first, p[i].port_last);
		if (tg_list_add(ports, text))
			fail(text);
	}
	if (tg_list_add_product(list, addrs, ports) || tg_list_to_sets(list, &sets))
		fail("product");
	for (int address = 0; address < WORLD; address++)
		for (int port = 0; port <= PORTS; port++)
			if (meaning_holds(&sets, address, port) !=
			    (model_holds(a, a_count, address, port) &&
			     model_holds(p, p_count, address, port)))
				fail("a product differs");
	tg_list_sets_free(&sets);
	tg_list_free(list);
	tg_list_free(addrs);
	tg_list_free(ports);
}

static size_t count_products(const char *const *items)
{
	struct tg_list_sets sets;
	struct tg_list *list;
	size_t count;

	if (tg_list_new(TG_FIELD_ENDPOINT, 0, &list))
		fail("new");
	for (; *items; items++)
		if (tg_list_add(list, *items))
			fail(*items);
	if (tg_list_to_sets(list, &sets))
		fail("meaning");
	count = sets.product_count;
	tg_list_sets_free(&sets);
	tg_list_free(list);
	return count;
}

/* Products are joined, because each of them costs the kernel a term. */
static void check_sizes(void)
{
	const char *same_ports[] = {"10.0.0.1:80", "10.0.0.3:80", "[2001:db8::1]:80", NULL};
	const char *same_addresses[] = {"10.0.0.1:80", "10.0.0.1:443", "10.0.0.1:90-99", NULL};
	const char *without[] = {"10.0.0.0/8", "fd00::/8", "!10.0.0.1", "!fd00::1", NULL};
	const char *without_port[] = {"10.0.0.0/8", "!10.0.0.1:22", NULL};
	const char *nothing[] = {"10.0.0.1:80", "!10.0.0.0/8", NULL};

	if (count_products(same_ports) != 1 || count_products(same_addresses) != 1 ||
	    count_products(without) != 1 || count_products(without_port) != 2 ||
	    count_products(nothing) != 0)
		fail("more products than it takes");
}

static void check_value(enum tg_field field, const char *first, const char *second,
			struct tg_key128 inside, struct tg_key128 outside)
{
	struct tg_list_sets sets;
	struct tg_list *list;

	if (tg_list_new(field, 0, &list) || tg_list_add(list, first) ||
	    (second && tg_list_add(list, second)) || tg_list_to_sets(list, &sets))
		fail(first);
	if (!tg_intervals_contains(&sets.set, inside) || tg_intervals_contains(&sets.set, outside))
		fail(first);
	tg_list_sets_free(&sets);
	tg_list_free(list);
}

static struct tg_key128 number(uint64_t lo)
{
	return (struct tg_key128){0, lo};
}

static void check_values(void)
{
	const uint64_t curl = 0x6375726c00000000, nginx = 0x6e67696e78000000;

	check_value(TG_FIELD_UID, "!root", NULL, number(UINT32_MAX), number(0));
	check_value(TG_FIELD_UID, "1000-1999", "!1500", number(1999), number(1500));
	check_value(TG_FIELD_PROTO, "tcp", NULL, number(6), number(17));
	check_value(TG_FIELD_PROTO, "tcp", NULL, number(262), number(17));
	check_value(TG_FIELD_PROTO, "!tcp", NULL, number(17), number(262));
	check_value(TG_FIELD_PROTO, "mptcp", NULL, number(262), number(6));
	check_value(TG_FIELD_PROTO, "6", NULL, number(6), number(262));
	check_value(TG_FIELD_FAMILY, "!inet", NULL, number(10), number(2));
	check_value(TG_FIELD_PORT, "https", "8000-8999", number(443), number(9000));
	check_value(TG_FIELD_COMM, "curl", NULL, (struct tg_key128){curl, 0},
		    (struct tg_key128){curl | 'x' << 24, 0});
	check_value(TG_FIELD_COMM, "ngin*", NULL, (struct tg_key128){nginx, 0},
		    (struct tg_key128){curl, 0});
	check_value(TG_FIELD_COMM, "!ngin*", NULL, (struct tg_key128){curl, 0},
		    (struct tg_key128){nginx, 1});
}

static void check_same(const char *a_item, const char *b_item)
{
	struct tg_list *a = NULL, *b = NULL;
	struct tg_list_sets x, y;

	if (tg_list_new(TG_FIELD_ENDPOINT, 0, &a) || tg_list_new(TG_FIELD_ENDPOINT, 0, &b) ||
	    tg_list_add(a, a_item) || tg_list_add(b, b_item) || tg_list_to_sets(a, &x) ||
	    tg_list_to_sets(b, &y))
		fail(a_item);
	if (x.product_count != 1 || y.product_count != 1 ||
	    !tg_intervals_equal(&x.products->addr4, &y.products->addr4) ||
	    !tg_intervals_equal(&x.products->addr6, &y.products->addr6) ||
	    !tg_intervals_equal(&x.products->port, &y.products->port))
		fail(a_item);
	tg_list_sets_free(&x);
	tg_list_sets_free(&y);
	tg_list_free(a);
	tg_list_free(b);
}

/* Different spellings of one thing; v4-mapped addresses are IPv4. */
static void check_spellings(void)
{
	check_same("::ffff:1.2.3.4", "1.2.3.4");
	check_same("[::ffff:102:304]:80", "1.2.3.4:80");
	check_same("::ffff:0:0/96", "0.0.0.0/0");
	check_same("::ffff:10.0.0.0/104", "10.0.0.0/8");
	check_same("::ffff:10.0.0.1-::ffff:10.0.0.9", "10.0.0.1-10.0.0.9");
	check_same("10.0.0.0/8", "10.0.0.0-10.255.255.255");
	check_same("2001:db8::/127", "2001:db8::-2001:db8::1");
	check_same("2001:db8::/63", "2001:db8::-2001:db8:0:1:ffff:ffff:ffff:ffff");
	check_same("::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	check_same("*:*", "*");
	check_same("1::2", "1:0:0:0:0:0:0:2");
}

static void write_file(const char *path, const char *tail)
{
	FILE *file = fopen(path, "w");

	if (!file)
		fail(path);
	for (int i = 0; i < 3000; i++)
		fprintf(file, "10.%d.%d.0/24\n2001:db8:%x::/48\n", (i * 7) % 251, (i * 13) % 256,
			(unsigned int)(i * 31) % 0xffff);
	fputs(tail, file);
	fclose(file);
}

/* A file adds all its items or none, whatever the list contains. */
static void check_file(void)
{
	char path[] = "/tmp/tidegate-list-XXXXXX";
	struct tg_list *list = NULL, *by_item = NULL;
	struct tg_list_sets before, after, expected;
	char item[64];
	int file = mkstemp(path);

	if (file < 0 || tg_list_new(TG_FIELD_ENDPOINT, 0, &list) ||
	    tg_list_new(TG_FIELD_ENDPOINT, 0, &by_item) || tg_list_add(list, "192.0.2.1:80"))
		fail("new");
	write_file(path, "10.0.0.0/40\n");
	if (tg_list_to_sets(list, &before) || !tg_list_load(list, path) ||
	    tg_list_to_sets(list, &after))
		fail("a file with a mistake");
	if (after.product_count != 1 || after.products->addr4.count != 1 ||
	    before.products->addr4.count != 1)
		fail("something of it was added");
	tg_list_sets_free(&after);

	write_file(path, "");
	if (tg_list_load(list, path) || tg_list_to_sets(list, &after))
		fail(path);
	for (int i = 0; i < 3000; i++) {
		snprintf(item, sizeof(item), "10.%d.%d.0/24", (i * 7) % 251, (i * 13) % 256);
		if (tg_list_add(by_item, item))
			fail(item);
		snprintf(item, sizeof(item), "2001:db8:%x::/48", (unsigned int)(i * 31) % 0xffff);
		if (tg_list_add(by_item, item))
			fail(item);
	}
	if (tg_list_to_sets(by_item, &expected))
		fail("by item");
	if (after.product_count != 2 ||
	    !tg_intervals_equal(&after.products[1].addr4, &expected.products->addr4) ||
	    !tg_intervals_equal(&after.products[1].addr6, &expected.products->addr6))
		fail("a file means something else than its items");
	tg_list_sets_free(&before);
	tg_list_sets_free(&after);
	tg_list_sets_free(&expected);
	tg_list_free(list);
	tg_list_free(by_item);
	close(file);
	unlink(path);
}

/* Each field and each key has a row in the table of fields. */
static void check_fields(void)
{
	for (int field = 0; field < TG_FIELD_COUNT; field++)
		if (!tg_field_info((enum tg_field)field))
			fail("a field without a row");
	for (int key = 0; key < TG_KEYS; key++) {
		const struct tg_field_info *info = &tg_fields[key];
		bool wide = TG_KEYS_128 >> key & 1;

		if (!info->name || !info->plural || wide != (info->bits == 128) ||
		    (!wide && info->bits != 16 && info->bits != 32))
			fail("a key without a row, or of another size");
	}
}

int main(int count, char **arguments)
{
	seed = count > 1 ? (unsigned int)atoi(arguments[1]) : 1;
	srand(seed);
	for (int round = 0; round < 3000; round++) {
		draw_sets();
		check_list();
		check_product();
	}
	check_fields();
	check_sizes();
	check_values();
	check_spellings();
	check_file();
	puts("ok");
	return 0;
}
