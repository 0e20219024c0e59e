/* The terminal of `top` (screen.h), by the sequences that every terminal of today knows (ECMA-48
 * and xterm's alternate screen). Signals come through a descriptor, so that there are no handlers.
 */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { PLAIN_COLUMNS = 120, PLAIN_ROWS = 1000, COLUMNS_LEAST = 20, ROWS_LEAST = 5 };

static void measure(struct screen *s)
{
    struct winsize w;
    s->columns = PLAIN_COLUMNS;
    s->rows = PLAIN_ROWS;
    if (s->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) {
        s->columns = TM_MAX((int)w.ws_col, COLUMNS_LEAST);
        s->rows = TM_MAX((int)w.ws_row, ROWS_LEAST);
    }
}

static void write_out(const char *text)
{
    ssize_t ignored = write(STDOUT_FILENO, text, strlen(text));
    (void)ignored;
}

enum tm_status screen_open(struct screen *s, struct tm_err *err)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    sigset_t wanted;
    *s = (struct screen){.terminal = isatty(STDOUT_FILENO) != 0};
    s->colour = s->terminal && (no_colour == NULL || no_colour[0] == '\0') &&
                (term == NULL || strcmp(term, "dumb") != 0);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGWINCH);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    s->signals = signalfd(-1, &wanted, SFD_CLOEXEC);
    if (s->signals < 0)
        return tm_err_errno(err, errno, "signalfd");
    s->keys = s->terminal && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &s->before) == 0;
    if (s->keys) {
        struct termios raw = s->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    if (s->terminal)
        write_out("\033[?1049h\033[?25l");
    return TM_OK;
}

void screen_close(struct screen *s)
{
    if (s->terminal)
        write_out("\033[?25h\033[?1049l");
    if (s->keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
    tm_buf_finish(&s->out);
    if (s->signals >= 0)
        close(s->signals);
}

void screen_begin(struct screen *s)
{
    measure(s);
    tm_buf_clear(&s->out);
    if (s->terminal)
        tm_buf_puts(&s->out, "\033[H");
    s->row = s->column = 0;
}

static bool visible(const struct screen *s)
{
    return s->row < s->rows;
}

static void put_cut(struct screen *s, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool begins = (*p & 0xc0) != 0x80; /* of a character in UTF-8 */
        if (begins && s->column >= s->columns)
            return;
        s->column += begins;
        tm_buf_putc(&s->out, (char)(*p < 0x20 || *p == 0x7f ? '?' : *p));
    }
}

void screen_put(struct screen *s, enum screen_style style, const char *fmt, ...)
{
    static const char *const code[] = {
        [STYLE_HEAD] = "1", [STYLE_SOFT] = "2", [STYLE_GOOD] = "32", [STYLE_BAD] = "31"};
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!visible(s))
        return;
    bool styled = s->colour && style != STYLE_PLAIN;
    if (styled)
        tm_buf_printf(&s->out, "\033[%sm", code[style]);
    put_cut(s, text);
    if (styled)
        tm_buf_puts(&s->out, "\033[0m");
}

void screen_to(struct screen *s, int column)
{
    while (visible(s) && s->column < TM_MIN(column, s->columns)) {
        tm_buf_putc(&s->out, ' ');
        s->column++;
    }
}

void screen_line(struct screen *s)
{
    s->row++;
    s->column = 0;
    if (s->terminal)
        tm_buf_puts(&s->out, s->row < s->rows ? "\033[K\n" : s->row == s->rows ? "\033[K" : "");
    else
        tm_buf_putc(&s->out, '\n');
}

void screen_bar(struct screen *s, double share, int width)
{
    int filled = (int)(TM_MIN(TM_MAX(share, 0.0), 1.0) * width + 0.5);
    screen_put(s, share >= 0.95 ? STYLE_BAD : STYLE_GOOD, "%.*s", filled,
               "########################################");
    screen_put(s, STYLE_SOFT, "%.*s", width - filled, "........................................");
}

bool screen_end(struct screen *s)
{
    if (s->terminal)
        tm_buf_puts(&s->out, "\033[J");
    for (size_t done = 0; done < s->out.len;) {
        ssize_t n = write(STDOUT_FILENO, s->out.data + done, s->out.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return !s->out.failed;
}

bool screen_wait(struct screen *s, int ms)
{
    struct pollfd p[] = {{.fd = s->signals, .events = POLLIN},
                         {.fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN}};
    uint64_t until = tm_clock_ns() + (uint64_t)ms * 1000000u;
    for (uint64_t now; (now = tm_clock_ns()) < until;) {
        struct signalfd_siginfo signal;
        char key;
        if (poll(p, TM_COUNTOF(p), (int)((until - now) / 1000000 + 1)) <= 0)
            continue;
        if ((p[0].revents & POLLIN) != 0 && read(s->signals, &signal, sizeof signal) > 0)
            return signal.ssi_signo == SIGWINCH;
        if (p[1].revents != 0 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q'))
            return false;
    }
    return true;
}
