/* SPDX-License-Identifier: MIT */
/* socket_options.h - the socket options that a rule sets, from their text. */
#ifndef TG_POLICY_SOCKET_OPTIONS_H
#define TG_POLICY_SOCKET_OPTIONS_H

#include "bpf/layout/image_layout.h"

/*
 * Read "mark=0x10 priority=6 congestion=bbr" into a new struct.  The text of a
 * failure starts with "sockopt: ".
 */
int tg_options_parse(const char *text, struct tg_options *options);

/* The name of a given option that only TCP has; NULL: no such option is given. */
const char *tg_options_of_tcp(const struct tg_options *options);

#endif
