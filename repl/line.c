/* SPDX-License-Identifier: MIT */
/*
 * line.c - libedit in an event loop.
 *
 * libedit waits for keys in the middle of its own functions (in a search, in an escape sequence,
 * in the count of a repetition). So it runs on its own stack. When it would have to wait,
 * that stack is left for the caller of tg_line_read(), and the event loop goes on while a line is
 * half typed.
 */
#define _GNU_SOURCE /* wcwidth() */
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <ucontext.h>
#include <unistd.h>
#include <wchar.h>

#include "repl.h"

enum { STACK_BYTES = 512 * 1024, REMEMBERED = 1000, PROMPT_BYTES = 64 };

static const char INTERRUPT_KEY[] = "\003";

/* The terminal puts marks around what is pasted (xterm's bracketed paste), so that it is not run.
 */
static const char PASTE_ON[] = "\033[?2004h", PASTE_OFF[] = "\033[?2004l";
static const char PASTE_BEGIN[] = "\033[200~";
static const wchar_t PASTE_END[] = L"\033[201~";
enum { PASTE_END_LENGTH = sizeof(PASTE_END) / sizeof(*PASTE_END) - 1 };

struct tg_line {
	EditLine *editor;
	History *history;
	ucontext_t caller, own;
	void *stack;
	struct termios modes;
	int input; /* an epoll of standard input */
	mbstate_t decoding;
	int event;        /* what tg_line_read() returns */
	bool interrupted; /* Ctrl-C ended the line, not Enter */
	bool cancel;      /* pretend that Ctrl-C is the next key */
	bool marks_paste; /* whether the terminal understands PASTE_ON */
	size_t cursor;
	char *text;
	char prompt[PROMPT_BYTES];
};

/* libedit's callbacks get only the editor, and makecontext() passes only ints. */
static struct tg_line *the_line;

/* Switch to the caller of tg_line_read(), which returns this event. */
static void yield(struct tg_line *line, int event)
{
	line->event = event;
	swapcontext(&line->own, &line->caller);
}

/* --- What libedit calls ------------------------------------------------------------ */

static char *prompt(EditLine *editor)
{
	(void)editor;
	return the_line->prompt;
}

/* Read a byte from the terminal. While there is none, the caller of tg_line_read() goes on. */
static int read_byte(struct tg_line *line, char *byte)
{
	for (;;) {
		struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
		ssize_t count;

		if (line->cancel) {
			line->cancel = false;
			*byte = INTERRUPT_KEY[0];
			return 1;
		}
		if (poll(&ready, 1, 0) <= 0) {
			yield(line, TG_LINE_PENDING);
			continue;
		}
		count = read(STDIN_FILENO, byte, 1);
		if (count > 0)
			return 1;
		if (count < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		return 0; /* the terminal is gone */
	}
}

/* Read a character. Bytes that do not form one are skipped. */
static int read_character(EditLine *editor, wchar_t *character)
{
	struct tg_line *line = the_line;
	char byte;

	(void)editor;
	for (;;) {
		size_t used;

		if (!read_byte(line, &byte))
			return 0;
		used = mbrtowc(character, &byte, 1, &line->decoding);
		if (used == 0 || used == 1)
			return 1;
		if (used == (size_t)-1)
			memset(&line->decoding, 0, sizeof(line->decoding));
	}
}

static unsigned char complete(EditLine *editor, int key)
{
	(void)editor, (void)key;
	yield(the_line, TG_LINE_COMPLETE);
	return CC_REFRESH;
}

/* Show ^C at the end of the line, like a shell, and make libedit end the line. */
static unsigned char interrupt(EditLine *editor, int key)
{
	const LineInfoW *info = el_wline(editor);

	(void)key;
	el_cursor(editor, (int)(info->lastchar - info->cursor));
	el_winsertstr(editor, L"^C");
	el_push(editor, "\n");
	the_line->interrupted = true;
	return CC_REFRESH;
}

static void mark_paste(const struct tg_line *line, bool on)
{
	if (!line->marks_paste)
		return;
	fputs(on ? PASTE_ON : PASTE_OFF, stdout);
	fflush(stdout);
}

static unsigned char suspend(EditLine *editor, int key)
{
	(void)key;
	tg_line_hide(the_line);
	mark_paste(the_line, false);
	el_set(editor, EL_PREP_TERM, 0);
	kill(0, SIGTSTP); /* the process stops here until the shell continues it */
	el_set(editor, EL_PREP_TERM, 1);
	mark_paste(the_line, true);
	el_set(editor, EL_REFRESH);
	return CC_NORM;
}

/* --- Pasted text ---------------------------------------------------------------------- */

/*
 * Read what is pasted up to PASTE_END. Its lines become lines of the input, and other control
 * characters are left out: they would be keys. NULL without memory.
 */
static wchar_t *read_paste(EditLine *editor)
{
	size_t length = 0, room = 0;
	wchar_t *text = NULL, key;

	while (el_wgetc(editor, &key) == 1) {
		if (length + 2 > room) {
			wchar_t *larger = realloc(text, (room = room * 2 + 256) * sizeof(*text));

			if (!larger)
				break;
			text = larger;
		}
		text[length++] = key == L'\r' ? L'\n' : key;
		text[length] = 0;
		if (length >= PASTE_END_LENGTH &&
		    !wcscmp(text + length - PASTE_END_LENGTH, PASTE_END)) {
			text[length - PASTE_END_LENGTH] = 0;
			return text;
		}
	}
	free(text);
	return NULL;
}

static void strip_controls(wchar_t *text)
{
	wchar_t *to = text;

	for (const wchar_t *from = text; *from; from++)
		if ((*from >= L' ' && *from != 0x7f) || *from == L'\n' || *from == L'\t')
			*to++ = *from;
	while (to > text && to[-1] == L'\n') /* Enter runs it, not the end of the last line */
		to--;
	*to = 0;
}

static unsigned char paste(EditLine *editor, int key)
{
	wchar_t *text = read_paste(editor);

	(void)key;
	if (!text)
		return CC_ERROR;
	strip_controls(text);
	el_winsertstr(editor, text);
	free(text);
	return CC_REFRESH;
}

/* --- The editor's own stack --------------------------------------------------------- */

static void edit(void)
{
	struct tg_line *line = the_line;

	for (;;) {
		int count = 0;
		const char *text;
		size_t length;

		line->interrupted = false;
		mark_paste(line, true);
		text = el_gets(line->editor, &count);
		mark_paste(line, false);
		if (!text || count <= 0) {
			yield(line, TG_LINE_EOF);
			continue;
		}
		free(line->text);
		length = strlen(text);
		line->text = strndup(text, length - (text[length - 1] == '\n'));
		line->cursor = line->text ? strlen(line->text) : 0;
		yield(line, line->interrupted ? TG_LINE_INTERRUPT : TG_LINE_DONE);
	}
}

static int prepare_stack(struct tg_line *line)
{
	line->stack = malloc(STACK_BYTES);
	if (!line->stack)
		return -ENOMEM;
	if (getcontext(&line->own))
		return -errno;
	line->own.uc_stack.ss_sp = line->stack;
	line->own.uc_stack.ss_size = STACK_BYTES;
	line->own.uc_link = NULL;
	makecontext(&line->own, edit, 0);
	return 0;
}

int tg_line_read(struct tg_line *line)
{
	swapcontext(&line->caller, &line->own);
	return line->event;
}

/* --- The keys ------------------------------------------------------------------------ */

static const char *const bindings[][2] = {
	{"^I", "tg-complete"},
	{INTERRUPT_KEY, "tg-interrupt"},
	{PASTE_BEGIN, "tg-paste"},
	{"^Z", "tg-suspend"},
	{"^R", "em-inc-search-prev"},
	{"^W", "ed-delete-prev-word"},
	{"^U", "vi-kill-line-prev"},
	{"^L", "ed-clear-screen"},
	{"\033[1~", "ed-move-to-beg"},
	{"\033[4~", "ed-move-to-end"},
	{"\033[7~", "ed-move-to-beg"},
	{"\033[8~", "ed-move-to-end"},
	{"\033[H", "ed-move-to-beg"},
	{"\033[F", "ed-move-to-end"},
	{"\033[3~", "ed-delete-next-char"},
	{"\033[1;5C", "em-next-word"},
	{"\033[1;5D", "ed-prev-word"},
	{"\033[5C", "em-next-word"},
	{"\033[5D", "ed-prev-word"},
};

static void bind_keys(EditLine *editor)
{
	el_set(editor, EL_ADDFN, "tg-complete", "Complete the word", complete);
	el_set(editor, EL_ADDFN, "tg-interrupt", "Give up the line", interrupt);
	el_set(editor, EL_ADDFN, "tg-suspend", "Stop the process", suspend);
	el_set(editor, EL_ADDFN, "tg-paste", "Insert what is pasted", paste);
	el_source(editor, NULL); /* ~/.editrc, which may choose the keys of vi */
	for (size_t i = 0; i < sizeof(bindings) / sizeof(*bindings); i++)
		el_set(editor, EL_BIND, bindings[i][0], bindings[i][1], NULL);
	/* While a line is edited, Ctrl-C and Ctrl-Z are keys; otherwise they are signals. */
	el_set(editor, EL_SETTY, "-d", "-isig", NULL);
}

/* --- Opening and closing --------------------------------------------------------------- */

/* The editor works in characters: if the locale has only bytes, use UTF-8. */
static void choose_locale(void)
{
	setlocale(LC_CTYPE, "");
	if (MB_CUR_MAX == 1)
		setlocale(LC_CTYPE, "C.UTF-8");
}

static int open_editor(struct tg_line *line)
{
	HistEvent event;

	line->editor = el_init("tidegate", stdin, stdout, stderr);
	line->history = history_init();
	if (!line->editor || !line->history)
		return -ENOMEM;
	history(line->history, &event, H_SETSIZE, REMEMBERED);
	history(line->history, &event, H_SETUNIQUE, 1);
	el_set(line->editor, EL_EDITOR, "emacs");
	el_set(line->editor, EL_SIGNAL, 0);
	el_set(line->editor, EL_PROMPT, prompt);
	el_set(line->editor, EL_HIST, history, line->history);
	el_wset(line->editor, EL_GETCFN, read_character);
	bind_keys(line->editor);
	return 0;
}

static int open_input(struct tg_line *line)
{
	struct epoll_event event = {.events = EPOLLIN};

	line->input = epoll_create1(EPOLL_CLOEXEC);
	if (line->input < 0 || epoll_ctl(line->input, EPOLL_CTL_ADD, STDIN_FILENO, &event))
		return -errno;
	return 0;
}

static bool is_dumb(void)
{
	const char *terminal = getenv("TERM");

	return !terminal || !strcmp(terminal, "dumb");
}

int tg_line_open(struct tg_line **out)
{
	struct tg_line *line;
	int err;

	if (the_line)
		return -EBUSY;
	line = calloc(1, sizeof(*line));
	if (!line)
		return -ENOMEM;
	the_line = line;
	line->marks_paste = !is_dumb();
	err = tcgetattr(STDIN_FILENO, &line->modes) ? -errno : open_input(line);
	if (!err) {
		choose_locale();
		err = prepare_stack(line);
	}
	if (!err)
		err = open_editor(line);
	if (err) {
		tg_line_close(line);
		return err;
	}
	*out = line;
	return 0;
}

void tg_line_close(struct tg_line *line)
{
	mark_paste(line, false); /* a line may be half typed */
	if (line->editor)
		el_end(line->editor);
	if (line->history)
		history_end(line->history);
	if (line->input > 0)
		close(line->input);
	tg_line_restore(line);
	free(line->text);
	free(line->stack);
	free(line);
	the_line = NULL;
}

int tg_line_fd(const struct tg_line *line)
{
	return line->input;
}

void tg_line_restore(struct tg_line *line)
{
	tcsetattr(STDIN_FILENO, TCSADRAIN, &line->modes);
}

/* --- The line ------------------------------------------------------------------------ */

void tg_line_prompt(struct tg_line *line, const char *text)
{
	snprintf(line->prompt, sizeof(line->prompt), "%s", text);
}

const char *tg_line_text(struct tg_line *line, size_t *cursor)
{
	if (line->event == TG_LINE_COMPLETE) {
		const LineInfo *info = el_line(line->editor);

		free(line->text);
		line->text = strndup(info->buffer, (size_t)(info->lastchar - info->buffer));
		line->cursor = (size_t)(info->cursor - info->buffer);
	}
	*cursor = line->cursor;
	return line->text ? line->text : "";
}

void tg_line_insert(struct tg_line *line, const char *text)
{
	el_insertstr(line->editor, text);
}

void tg_line_cancel(struct tg_line *line)
{
	line->cancel = true;
}

void tg_line_remember(struct tg_line *line, const char *text)
{
	HistEvent event;

	history(line->history, &event, H_ENTER, text);
}

/* --- The screen ------------------------------------------------------------------------ */

int tg_line_columns(const struct tg_line *line)
{
	struct winsize size;

	(void)line;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

int tg_line_rows(const struct tg_line *line)
{
	struct winsize size;

	(void)line;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row ? 24 : size.ws_row;
}

/* How many rows the cursor is below the first row of the prompt, which libedit does not report. */
static int cursor_row(const struct tg_line *line)
{
	const LineInfoW *info = el_wline(line->editor);
	int columns = tg_line_columns(line), at = (int)strlen(line->prompt);

	for (const wchar_t *c = info->buffer; c < info->cursor; c++) {
		int width = *c == L'\t' ? 8 - at % 8 : *c < L' ' ? 2 : wcwidth(*c);

		if (*c == L'\n')
			width = columns - at % columns;
		if (width < 0)
			width = 1;
		/* A wide character that does not fit in a row begins the next one. */
		if (at % columns + width > columns)
			at += columns - at % columns;
		at += width;
	}
	return at / columns;
}

void tg_line_hide(struct tg_line *line)
{
	int row = cursor_row(line);

	if (row > 0)
		printf("\033[%dA", row);
	printf("\r\033[J");
	fflush(stdout);
}

void tg_line_show(struct tg_line *line)
{
	fflush(stdout);
	el_set(line->editor, EL_REFRESH);
}

void tg_line_resize(struct tg_line *line)
{
	tg_line_hide(line);
	el_resize(line->editor);
	tg_line_show(line);
}
