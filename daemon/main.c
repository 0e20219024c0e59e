/* textmill VERB …: the one program. Nothing but the table of verbs is here. */
#include "verbs.h"

#include <signal.h>

const struct verb *const verb_table[] = {
    &verb_run,   &verb_once,   &verb_check,  &verb_extract, &verb_tokenize,
    &verb_infer, &verb_models, &verb_config, &verb_version, NULL,
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(), not a death */
    return args_run(argc, argv);
}
