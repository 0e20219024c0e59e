/* version: what this binary is and what the machine offers it. */
#include "verbs.h"
#include "tm_engine.h"
#include "version.h"

#include <stdio.h>

static enum exit_code run(const struct args *a)
{
    if (args_has(a, "json"))
        printf("{\"version\":\"%s\",\"isa\":\"%s\",\"cores\":%d,\"devices\":[\"cpu\"]}\n",
               TM_VERSION, tm_engine_isa(), tm_engine_cores());
    else
        printf("textmill %s\ninstruction set: %s\ncores: %d\ndevices: cpu\n", TM_VERSION,
               tm_engine_isa(), tm_engine_cores());
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
