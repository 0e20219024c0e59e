/* The scores of one row, all of them: output layer, log-softmax where beams want it, processors.
 * What logits_topk and sample_step begin with. The output layer goes through the backend's own
 * gemm, whose weights it holds. */
#include "processors.h"
#include "ref.h"

#include <math.h>
#include <string.h>

struct scores {
    float *at;
    int64_t n;
    uint8_t *seen; /* (n) an id that occurs twice is penalised once */
};

static void ban(void *context, int32_t id)
{
    const struct scores *s = context;
    if (id >= 0 && id < s->n)
        s->at[id] = -INFINITY;
}

static void penalise(struct scores *s, const int32_t *ids, int32_t n, float penalty)
{
    if (penalty == 1)
        return;
    memset(s->seen, 0, (size_t)s->n);
    for (int32_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= s->n || s->seen[ids[i]] != 0)
            continue;
        s->seen[ids[i]] = 1;
        s->at[ids[i]] = kern_penalise(s->at[ids[i]], penalty);
    }
}

void ref_log_softmax(float *x, int64_t n)
{
    float top = -INFINITY;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        top = fmaxf(top, x[i]);
    if (top == -INFINITY) /* nothing allowed */
        return;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)top);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] - (double)top - log(sum));
}

static void process(struct scores *s, const struct kern_history *h, const uint32_t *mask)
{
    const struct tm_decoding *d = h->decoding;
    penalise(s, d->source, d->n_source, 1 / d->encoder_repetition_penalty);
    penalise(s, h->ids, h->length, d->repetition_penalty);
    kern_banned(h, ban, s);
    int32_t forced = kern_forced(h);
    if (forced >= 0) {
        for (int64_t i = 0; i < s->n; i++)
            s->at[i] = -INFINITY;
        s->at[forced] = 0;
    }
    kern_suppressed(h, ban, s);
    for (int64_t i = 0; mask != NULL && i < s->n; i++)
        if ((mask[i / 32] >> i % 32 & 1) == 0)
            s->at[i] = -INFINITY;
}

enum tm_status ref_logits(struct tm_stream *stream, const struct tm_tensor *x,
                          const struct tm_logits_args *args, int64_t r, float *scores)
{
    int64_t n = args->head->n;
    struct tm_tensor row = *x, out = {scores, TM_F32, 1, n, n, NULL};
    row.data = (char *)x->data + (size_t)(r * x->stride) * tm_dtype_size(x->dtype);
    row.rows = 1;
    enum tm_status status = stream->backend->ops.gemm(stream, &out, &row, args->head, NULL);
    if (status != TM_OK)
        return status;
    for (int64_t i = 0; i < n; i++) {
        float v = scores[i] * args->scale + (args->bias != NULL ? args->bias[i] : 0);
        scores[i] = args->softcap != 0 ? args->softcap * tanhf(v / args->softcap) : v;
    }
    struct kern_history h =
        kern_history(args, args->step->slot_of_row[r], args->step->beam_of_row[r]);
    if (kern_is_beam(h.decoding))
        ref_log_softmax(scores, n);
    size_t mark = stream->used;
    struct scores s = {scores, n, kern_scratch(stream, (size_t)n)};
    bool masked = args->masks != NULL && (args->masked == NULL || args->masked[r] != 0);
    process(&s, &h, masked ? args->masks + r * ((n + 31) / 32) : NULL);
    stream->used = mark;
    return TM_OK;
}
