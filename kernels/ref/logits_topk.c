/* logits_topk: the k best of a row's scores, best first, the lower id first among equals. Rows of
 * slots that sample are left to sample_step: no candidates. */
#include "processors.h"
#include "ref.h"

#include <math.h>

static void best(const float *scores, int64_t n, int32_t k, int32_t *ids, float *top)
{
    int32_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(scores[i] > -INFINITY) || (count == k && !(scores[i] > top[k - 1])))
            continue;
        int32_t at = count < k ? count++ : k - 1;
        for (; at > 0 && scores[i] > top[at - 1]; at--) {
            ids[at] = ids[at - 1];
            top[at] = top[at - 1];
        }
        ids[at] = (int32_t)i;
        top[at] = scores[i];
    }
    for (; count < k; count++) {
        ids[count] = -1;
        top[count] = -INFINITY;
    }
}

enum tm_status ref_logits_topk(struct tm_stream *stream, const struct tm_tensor *x,
                               const struct tm_topk_args *args)
{
    const struct tm_logits_args *logits = &args->logits;
    enum tm_status status = TM_OK;
    int64_t n = logits->head->n;
    size_t mark = stream->used;
    float *scores = kern_scratch(stream, (size_t)n * sizeof *scores);
    for (int64_t r = 0; r < logits->step->rows && status == TM_OK; r++) {
        const struct tm_decoding *d = &logits->decoding[logits->step->slot_of_row[r]];
        if (!d->do_sample)
            status = ref_logits(stream, x, logits, r, scores);
        if (!d->do_sample && d->renormalize_logits)
            ref_log_softmax(scores, n);
        best(scores, d->do_sample ? 0 : n, args->k, args->ret_ids + r * args->k,
             args->ret_scores + r * args->k);
    }
    stream->used = mark;
    return status;
}
