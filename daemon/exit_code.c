/* The exit code that a status ends the program with. */
#include "exit_code.h"

enum exit_code exit_code_of(enum tm_status s)
{
    static const unsigned char code[TM_STATUS_COUNT] = {
        [TM_OK] = EXIT_OK,
        [TM_AGAIN] = EXIT_AGAIN,
        [TM_NOMEM] = EXIT_INTERNAL,
        [TM_BADINPUT] = EXIT_DATA,
        [TM_CHARSET] = EXIT_DATA,
        [TM_TOOLARGE] = EXIT_DATA,
        [TM_DEPTH] = EXIT_DATA,
        [TM_EMPTY] = EXIT_DATA,
        [TM_TIMEOUT] = EXIT_AGAIN,
        [TM_CRASH] = EXIT_INTERNAL,
        [TM_MODEL] = EXIT_NOINPUT,
        [TM_UNSUPPORTED] = EXIT_NOINPUT,
        [TM_NOTFOUND] = EXIT_NOINPUT,
        [TM_PERM] = EXIT_PERMISSION,
        [TM_IO] = EXIT_IO,
        [TM_NOSPACE] = EXIT_IO,
        [TM_CONFIG] = EXIT_CONFIG,
        [TM_CLOSED] = EXIT_AGAIN,
        [TM_CANCELLED] = EXIT_AGAIN,
        [TM_DEVICE] = EXIT_UNAVAILABLE,
        [TM_INTERNAL] = EXIT_INTERNAL,
    };
    return code[s];
}
