/* The table of verbs: command line, help, completion and manual pages come from it. */
#include "verbs.h"

const struct verb *const verb_table[] = {
    &verb_run,
    &verb_once,
    &verb_check,
    &verb_top,
    &verb_tap,
    &verb_extract,
    &verb_tokenize,
    &verb_infer,
    &verb_models,
    &verb_config,
    &verb_version,
    &verb_completion,
#ifdef TM_KAFKA
    &verb_replay_dlq,
#endif
    NULL,
};
