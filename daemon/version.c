/* version: what this binary is and what the machine offers it. */
#include "verbs.h"
#include "tm_engine.h"
#include "version.h"

#include <stdio.h>

static enum exit_code run(const struct args *a)
{
    struct tm_err err = {0};
    const bool cuda = tm_engine_cuda(&err) == TM_OK;
    if (args_has(a, "json")) {
        printf("{\"version\":\"%s\",\"isa\":\"%s\",\"cores\":%d,\"devices\":[\"cpu\"%s]}\n",
               TM_VERSION, tm_engine_isa(), tm_engine_cores(), cuda ? ",\"cuda\"" : "");
        return EXIT_OK;
    }
    printf("textmill %s\ninstruction set: %s\ncores: %d\ndevices: cpu", TM_VERSION, tm_engine_isa(),
           tm_engine_cores());
    if (cuda)
        printf(", cuda\n");
    else
        printf(" (no cuda: %s)\n", err.text);
    return EXIT_OK;
}

static const struct verb_option options[] = {
    {"json", '\0', NULL, "Print JSON"},
    {0},
};

const struct verb verb_version = {
    .name = "version",
    .summary = "Print version, instruction set and devices",
    .options = options,
    .run = run,
};
