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
        [TM_UNAVAILABLE] = EXIT_UNAVAILABLE,
        [TM_INTERNAL] = EXIT_INTERNAL,
    };
    return code[s];
}

const struct exit_code_row exit_code_rows[] = {
    {EXIT_OK, "ok"},
    {EXIT_DEAD, "finished, some documents were dead-lettered"},
    {EXIT_USAGE, "usage"},
    {EXIT_DATA, "bad data"},
    {EXIT_NOINPUT, "input or model missing"},
    {EXIT_UNAVAILABLE, "dependency unavailable"},
    {EXIT_INTERNAL, "internal error"},
    {EXIT_IO, "input or output failed"},
    {EXIT_AGAIN, "interrupted, or try again"},
    {EXIT_PERMISSION, "permission denied"},
    {EXIT_CONFIG, "configuration is not good"},
    {EXIT_OK, NULL},
};
