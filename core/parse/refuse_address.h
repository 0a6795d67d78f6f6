/* SPDX-License-Identifier: MIT */
/* refuse_address.h - what to write instead of a text that is no address. */
#ifndef TG_PARSE_REFUSE_ADDRESS_H
#define TG_PARSE_REFUSE_ADDRESS_H

/* Refuse a mask in the place of a prefix length: 255.0.0.0, which begins at `mask`, is /8. */
int tg_refuse_mask(const char *item, const char *mask);

/* Refuse "10/8" and "10.1.*", which leave numbers out; 0: `text` is neither. */
int tg_refuse_short(const char *item, const char *text);

/* Say why text made of digits, dots, '/' and '-' is not an IPv4 address. */
int tg_refuse_v4(const char *item, const char *text);

/* Refuse "$ban", a variable of nft, and "+ban", a set of Shorewall; 0: `host` is neither. */
int tg_refuse_sigil(const char *item, const char *host);

/* Refuse a '/' after a name, which may be a path or a protocol. */
int tg_refuse_slash(const char *item, const char *host);

#endif
