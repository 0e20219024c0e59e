/* What the logits processors of a row look at. The rules are said once, here, for every backend
 * that runs on the host: the reference applies them to all scores of a row, the variants to the few
 * ids they name. Order and meaning: transformers 4.57, generation/logits_process.py. One
 * difference: encoder_repetition_penalty holds for every beam (4.57 leaves all but the first
 * alone). */
#ifndef TM_PROCESSORS_H
#define TM_PROCESSORS_H

#include "../kern.h"

struct kern_history {
    const struct tm_decoding *decoding;
    const int32_t *ids; /* of the row's beam, prompt included */
    int32_t length;
};

typedef void kern_id_fn(void *context, int32_t id);

struct kern_history kern_history(const struct tm_logits_args *args, int32_t slot, int32_t beam);

/* Does the slot search with several beams (log-softmax first)? */
static inline bool kern_is_beam(const struct tm_decoding *d)
{
    return d->beams > 1 && !d->do_sample;
}

/* Calls `ban` for every id that n-grams, bad words and the minimum length forbid, some of them
 * more than once. */
void kern_banned(const struct kern_history *h, kern_id_fn *ban, void *context);

/* The one id that is allowed now, at the score 0, or -1. What was banned before no longer counts.
 */
int32_t kern_forced(const struct kern_history *h);

/* The ids that suppress_tokens and begin_suppress_tokens forbid now, forced or not. */
void kern_suppressed(const struct kern_history *h, kern_id_fn *ban, void *context);

/* The score of an id that repetition_penalty (or, inverted, the encoder's) applies to. */
static inline float kern_penalise(float score, float penalty)
{
    return score < 0 ? score * penalty : score / penalty;
}

bool kern_is_eos(const struct tm_decoding *d, int32_t id);

#endif
