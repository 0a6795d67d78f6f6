/* SPDX-License-Identifier: MIT */
/*
 * repl.h - the C library of the prompt: a line editor that never waits, and signals that a running
 * script can check for.
 *
 * Nothing here calls into Lua.
 */
#ifndef TIDEGATE_REPL_H
#define TIDEGATE_REPL_H

#include <stddef.h>

#define TG_REPL __attribute__((visibility("default")))

/* public { */

/* What tg_line_read() returns. */
#define TG_LINE_PENDING   0 /* all input is taken; call again when there is more */
#define TG_LINE_DONE      1 /* Enter: tg_line_text() returns the line */
#define TG_LINE_COMPLETE  2 /* Tab: tg_line_text() returns the line so far */
#define TG_LINE_INTERRUPT 3 /* Ctrl-C: the line is given up */
#define TG_LINE_EOF       4 /* Ctrl-D on an empty line, or the terminal is gone */

struct tg_line;

/*
 * Open an editor on standard input and output, which must be the same terminal. A process can have
 * one editor. -EBUSY: it already has one.
 */
TG_REPL int tg_line_open(struct tg_line **out);
TG_REPL void tg_line_close(struct tg_line *line);

/*
 * A descriptor that polls readable while there is input. It is not standard input itself: an event
 * loop may make it non-blocking, and on standard input that would also affect the shell.
 */
TG_REPL int tg_line_fd(const struct tg_line *line);

/* Set the prompt of the next line. */
TG_REPL void tg_line_prompt(struct tg_line *line, const char *prompt);

/* Handle what was typed; does not wait. */
TG_REPL int tg_line_read(struct tg_line *line);

/* The line, and how many bytes of it are before the cursor. */
TG_REPL const char *tg_line_text(struct tg_line *line, size_t *cursor);
TG_REPL void tg_line_insert(struct tg_line *line, const char *text);

/* Remove the line from the screen so that other text can be written; show it again below that. */
TG_REPL void tg_line_hide(struct tg_line *line);
TG_REPL void tg_line_show(struct tg_line *line);

/* Make the next tg_line_read() give up the line. */
TG_REPL void tg_line_cancel(struct tg_line *line);

/* Give the terminal the modes that it had before tg_line_open(). */
TG_REPL void tg_line_restore(struct tg_line *line);
TG_REPL int tg_line_columns(const struct tg_line *line);
TG_REPL void tg_line_resize(struct tg_line *line);

/* Add a line to the history that the arrow keys show. */
TG_REPL void tg_line_remember(struct tg_line *line, const char *text);

/*
 * From now on SIGINT, SIGTERM and SIGHUP are only noted. Returns a descriptor that polls readable
 * when one has come, or -errno. If they are not taken, because a C function runs and does not
 * return, the process ends: on the third SIGINT, or five seconds after another signal.
 */
TG_REPL int tg_signals_catch(void);

/* The number of the signal that has come; 0: none. tg_signals_take() also forgets it. */
TG_REPL int tg_signals_seen(void);
TG_REPL int tg_signals_take(void);

/* } public */

/* Note the modes of the terminal now, for a process that ends in its signal handler. */
void tg_signals_terminal(int fd);

#endif
