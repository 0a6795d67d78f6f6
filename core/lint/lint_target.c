/* SPDX-License-Identifier: MIT */
/* lint_target.c - where terms redirect calls to. */
#include "lint/lint_target.h"

#include <arpa/inet.h>
#include <string.h>

#include "bpf/engine/path_rank.h"
#include "bpf/engine/service_lookup.h"
#include "bpf/engine/tree_search.h"
#include "image/image_backends.h"
#include "parse/address.h"
#include "table/service.h"

static const struct tg_term *term_of(const struct tg_section_reader *reader, uint32_t term)
{
	return &reader->terms[term];
}

static const struct tg_term_rest *rest_of(const struct tg_section_reader *reader, uint32_t term)
{
	return tg_row(&reader->view, term_of(reader, term)->rest_row);
}

/* --- Services ------------------------------------------------------------------------ */

const struct tg_table_rows *tg_rewriter_services(const struct tg_lint *lint,
						 const struct tg_section_reader *reader,
						 uint32_t term)
{
	const struct tg_term_rest *rest = rest_of(reader, term);

	if (term_of(reader, term)->verb != TG_VERB_BALANCE || !rest || !rest->services)
		return NULL;
	return &lint->tables[rest->services - 1];
}

int tg_lint_vip_at(const struct tg_table_rows *services, const struct tg_lint_target *target,
		   uint32_t proto)
{
	const uint8_t *addr = (const uint8_t *)target->addr_be;
	int place;

	if (!target->has_addr)
		return TG_NO_VIP;
	/* If the port is not known, it is any port, too. */
	place = tg_vip_seek(services, TG_VIP_WHAT(ntohs(target->port_be), proto), tg_be64(addr),
			    tg_be64(addr + 8));
	return place < 0 ? TG_NO_VIP : place;
}

/* --- Targets -------------------------------------------------------------------------- */

/* The backends of a term; none: it is a rewrite. */
static struct tg_backend_rows backends_of(const struct tg_lint *lint,
					  const struct tg_section_reader *reader,
					  const struct tg_rewriter *rewriter)
{
	const struct tg_table_rows *services = tg_rewriter_services(lint, reader, rewriter->term);
	const struct tg_term_rest *rest = rest_of(reader, rewriter->term);
	struct tg_backend_rows none = {0};
	const struct tg_vip *vip;

	if (term_of(reader, rewriter->term)->verb != TG_VERB_BALANCE || !rest)
		return none;
	if (services) {
		vip = tg_vip_at(services, (uint32_t)rewriter->vip);
		return vip ? tg_service_backends(services, vip->state) : none;
	}
	return tg_image_block_backends(lint->image->rows, rest->block);
}

uint32_t tg_rewriter_targets(const struct tg_lint *lint, const struct tg_section_reader *reader,
			     const struct tg_rewriter *rewriter)
{
	if (term_of(reader, rewriter->term)->verb != TG_VERB_BALANCE)
		return 1;
	return backends_of(lint, reader, rewriter).count;
}

static void rewrite_target(const struct tg_lint *lint, const struct tg_section_reader *reader,
			   const struct tg_term *term, struct tg_lint_target *target)
{
	uint32_t row = tg_image_section_row(lint->image->rows, reader->place);

	*target = (struct tg_lint_target){
		.has_addr = term->effects & TG_EFFECT_TO_ADDR,
		.has_port = term->effects & TG_EFFECT_TO_PORT,
		.port_be = term->to_port_be,
	};
	if (reader->place >= TG_OP_COUNT)
		target->path = tg_path_target(&reader->view, row, term);
	else
		memcpy(target->addr_be, term->to_addr_be, sizeof(target->addr_be));
}

bool tg_rewriter_target(const struct tg_lint *lint, const struct tg_section_reader *reader,
			const struct tg_rewriter *rewriter, uint32_t index,
			struct tg_lint_target *target)
{
	struct tg_backend_rows backends = backends_of(lint, reader, rewriter);
	struct tg_backend_info backend;

	if (!backends.count) {
		rewrite_target(lint, reader, term_of(reader, rewriter->term), target);
		return true;
	}
	tg_backend_rows_read(&backends, index, &backend);
	*target = (struct tg_lint_target){
		.has_addr = true,
		.has_port = backend.port,
		.port_be = htons((uint16_t)backend.port),
	};
	memcpy(target->addr_be, backend.addr, sizeof(target->addr_be));
	return backend.state == TG_BACKEND_UP;
}

/* --- Text ------------------------------------------------------------------------------- */

/* Write `unix:/run/x.sock` or `unix:@name`. */
static void write_path(const struct tg_unix_path *path, FILE *stream)
{
	bool abstract = !path->at[0];

	fputs(abstract ? "unix:@" : "unix:", stream);
	fwrite(path->at + abstract, 1, (size_t)path->bytes - abstract, stream);
}

void tg_lint_target_write(const struct tg_lint_target *target, FILE *stream)
{
	char address[64], port[8] = "*";

	if (target->path) {
		write_path(target->path, stream);
		return;
	}
	if (!target->has_addr) {
		fprintf(stream, "port %u", ntohs(target->port_be));
		return;
	}
	tg_addr_format((const uint8_t *)target->addr_be, address, sizeof(address));
	if (!target->any_port)
		snprintf(port, sizeof(port), "%u", ntohs(target->port_be));
	if (target->has_port && strchr(address, ':'))
		fprintf(stream, "[%s]:%s", address, port);
	else if (target->has_port)
		fprintf(stream, "%s:%s", address, port);
	else
		fputs(address, stream);
}
