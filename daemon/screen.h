/* A terminal for `top`, or what stands in its place: frames of lines that are cut to its size. */
#ifndef SCREEN_H
#define SCREEN_H

#include "tm_base.h"

#include <termios.h>

enum screen_style { STYLE_PLAIN, STYLE_HEAD, STYLE_SOFT, STYLE_GOOD, STYLE_BAD };

struct screen {
    bool terminal, colour; /* without a terminal frames follow each other as plain text */
    int signals;           /* a descriptor: SIGINT, SIGTERM, SIGWINCH */
    bool keys;             /* stdin is the terminal: q ends */
    struct termios before;
    int columns, rows;
    struct tm_buf out;
    int column, row; /* of the frame under way */
};

/* Takes stdout over, and stdin when both are a terminal. */
enum tm_status screen_open(struct screen *s, struct tm_err *err);
void screen_close(struct screen *s); /* the terminal as it was */

void screen_begin(struct screen *s);
/* Text on the current line, from its left; what does not fit is cut. Control characters become
 * '?', so that a name from outside cannot steer the terminal. */
void screen_put(struct screen *s, enum screen_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void screen_to(struct screen *s, int column); /* blanks up to there */
void screen_line(struct screen *s);           /* the next line */
void screen_bar(struct screen *s, double share, int width);
bool screen_end(struct screen *s); /* writes the frame; false: nobody reads it any more */

/* Until the time is over or the size changes (true), or the person has had enough (false). */
bool screen_wait(struct screen *s, int ms);

#endif
