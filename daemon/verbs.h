/* The verbs, one file each, and what they share. */
#ifndef VERBS_H
#define VERBS_H

#include "args.h"

extern const struct verb verb_replay_dlq; /* builds with librdkafka */
extern const struct verb verb_run, verb_once, verb_check, verb_extract, verb_tokenize, verb_infer,
    verb_models, verb_config, verb_version, verb_completion, verb_top, verb_tap;

#endif
