/* SPDX-License-Identifier: MIT */
/*
 * repl.h - what the prompt needs of C: a line editor that can be pulled, and
 * signals that a running script can look for.
 *
 * Nothing here calls into Lua.
 */
#ifndef TIDEGATE_REPL_H
#define TIDEGATE_REPL_H

#include <stddef.h>

#define TG_REPL __attribute__((visibility("default")))

/* public { */

/* What tg_line_read() tells. */
#define TG_LINE_PENDING   0 /* all input is taken; call again when there is more */
#define TG_LINE_DONE      1 /* Enter: tg_line_text() has the line */
#define TG_LINE_COMPLETE  2 /* Tab: tg_line_text() has the line so far */
#define TG_LINE_INTERRUPT 3 /* Ctrl-C: the line is given up */
#define TG_LINE_EOF       4 /* Ctrl-D on an empty line, or the terminal is gone */

struct tg_line;

/* An editor on standard input and output, which must be one terminal.  One a process. */
TG_REPL int tg_line_open(struct tg_line **out);
TG_REPL void tg_line_close(struct tg_line *line);

/*
 * A descriptor that polls readable while there is input.  It is the editor's
 * own: an event loop may make it non-blocking, which on standard input the
 * shell would feel.
 */
TG_REPL int tg_line_fd(const struct tg_line *line);

/* The prompt of the line that is read next. */
TG_REPL void tg_line_prompt(struct tg_line *line, const char *prompt);

/* Take what was typed; does not wait. */
TG_REPL int tg_line_read(struct tg_line *line);

/* The line, and how many bytes of it stand before the cursor. */
TG_REPL const char *tg_line_text(struct tg_line *line, size_t *cursor);
TG_REPL void tg_line_insert(struct tg_line *line, const char *text);

/* Take the line off the screen, so that other text can be written; and put it below that. */
TG_REPL void tg_line_hide(struct tg_line *line);
TG_REPL void tg_line_show(struct tg_line *line);

/* Have the next tg_line_read() give up the line. */
TG_REPL void tg_line_cancel(struct tg_line *line);

/* Have the terminal be as it was before the editor. */
TG_REPL void tg_line_restore(struct tg_line *line);
TG_REPL int tg_line_columns(const struct tg_line *line);
TG_REPL void tg_line_resize(struct tg_line *line);

/* Put a line into the history that the arrow keys show. */
TG_REPL void tg_line_remember(struct tg_line *line, const char *text);

/*
 * From now on SIGINT, SIGTERM and SIGHUP are only noted.  Returns a descriptor
 * that polls readable once one has come, or -errno.  Where nobody takes them, a
 * third SIGINT, or five seconds after another, ends the process: a C function
 * that does not return is running.
 */
TG_REPL int tg_signals_catch(void);

/* The number of a signal that has come, 0: none; tg_signals_take() forgets it. */
TG_REPL int tg_signals_seen(void);
TG_REPL int tg_signals_take(void);

/* } public */

/* What the terminal was like, for a process that ends in its signal handler. */
void tg_signals_terminal(int fd);

#endif
