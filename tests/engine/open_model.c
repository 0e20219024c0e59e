/* open_model FOLDER [BASE]: opens a model and prints one line, "OK architecture" or the status and
 * message. For refusals.py. */
#include "tm_engine.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct tm_err err = {TM_OK};
    struct tm_engine *e = NULL;
    struct tm_engine_limits limits = {.threads = 1, .batch_tokens = 64, .queue = 4};
    if (argc < 2)
        return 64;
    enum tm_status s =
        tm_engine_open(argv[1], argc > 2 ? argv[2] : NULL, "ref", "auto", &limits, &e, &err);
    tm_assert(s == err.status); /* the message belongs to what is returned */
    if (s == TM_OK)
        printf("OK %s\n", tm_engine_info(e)->architecture);
    else
        printf("%s %s\n", tm_status_code(s), err.text);
    tm_engine_close(e);
    return s != TM_OK;
}
