/* SPDX-License-Identifier: MIT */
/* item.h - what the items of all fields have in common: '!', numbers, ports. */
#ifndef TG_PARSE_ITEM_H
#define TG_PARSE_ITEM_H

#include <stdbool.h>
#include <stdint.h>

/* Longer texts are not items: they would push the reason out of an error's text. */
#define TG_ITEM_MAX 300

#define TG_DIGITS     "0123456789"
#define TG_HEX_DIGITS TG_DIGITS "abcdefABCDEF"

/*
 * Take the '!' off the front of an item, and refuse an item that is empty or too
 * long.  *text is left at the rest.
 */
int tg_item_start(const char *item, const char **text, bool *negated);

/* Refuse a control character, such as the end of a line that fgets() leaves in an item. */
int tg_line_check(const char *item);

/*
 * Read digits up to a number of at most `max`, and leave *text after them.
 * false: there are no digits, or the number is larger.
 */
bool tg_number_scan(const char **text, uint64_t max, uint64_t *number);

/*
 * Read "80" or "80-90", or "0x10-0x1f" if `hexadecimal`.  `text`, a part of
 * `item`, begins with a digit; `what` is what messages call the number.
 */
int tg_numbers_parse(const char *item, const char *text, const char *what, uint32_t max,
		     bool hexadecimal, uint32_t *first, uint32_t *last);

/* Refuse what cannot be a name either: a negative number, or a text with a space. */
int tg_word_check(const char *item, const char *text, const char *what);

/* Read "443", "80-90", "*" or, unless `numeric`, "https", a part of `item`. */
int tg_port_parse(const char *item, const char *text, bool numeric, uint32_t *first,
		  uint32_t *last);

#endif
