/* SPDX-License-Identifier: MIT */
/*
 * repl.h - the C library of the prompt: a line editor that never waits.
 *
 * Nothing here calls into Lua.
 */
#ifndef TIDEGATE_REPL_H
#define TIDEGATE_REPL_H

#include <stddef.h>

#define TG_REPL __attribute__((visibility("default")))

/* cdef { */

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

/* The line, and how many bytes of it are before the cursor. What was pasted may have several lines.
 */
TG_REPL const char *tg_line_text(struct tg_line *line, size_t *cursor);
TG_REPL void tg_line_insert(struct tg_line *line, const char *text);

/* Remove the line from the screen so that other text can be written; show it again below that. */
TG_REPL void tg_line_hide(struct tg_line *line);
TG_REPL void tg_line_show(struct tg_line *line);

/* Make the next tg_line_read() give up the line. */
TG_REPL void tg_line_cancel(struct tg_line *line);

/* Give the terminal the modes that it had before tg_line_open(). */
TG_REPL void tg_line_restore(struct tg_line *line);

/* The size of the screen. */
TG_REPL int tg_line_columns(const struct tg_line *line);
TG_REPL int tg_line_rows(const struct tg_line *line);
TG_REPL void tg_line_resize(struct tg_line *line);

/* Add an input, of one line or several, to the history that the arrow keys show. */
TG_REPL void tg_line_remember(struct tg_line *line, const char *text);

/* } cdef */

#endif
