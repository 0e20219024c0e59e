/* Exit codes: sysexits where they fit, so that units and scripts can tell causes apart. */
#ifndef EXIT_CODE_H
#define EXIT_CODE_H

#include "tm_base.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_DEAD = 1, /* finished; some documents were dead-lettered */
    EXIT_USAGE = 64,
    EXIT_DATA = 65,
    EXIT_NOINPUT = 66, /* input or model missing */
    EXIT_UNAVAILABLE = 69,
    EXIT_INTERNAL = 70,
    EXIT_IO = 74,
    EXIT_AGAIN = 75, /* interrupted, or try again */
    EXIT_PERMISSION = 77,
    EXIT_CONFIG = 78,
};

enum exit_code exit_code_of(enum tm_status s);

/* What each means, for help and manual pages; ends with NULL. */
struct exit_code_row {
    enum exit_code code;
    const char *means;
};
extern const struct exit_code_row exit_code_rows[];

#endif
