/* qk_prep: norms of each head of q and k and rotary positions, both in place. The cache, which no
 * family uses on a CPU yet, is filled by the reference. */
#include "simd.h"

/* (a, b) of the two halves become (a cos - b sin, b cos + a sin). */
static void rotate(float *head, const struct tm_rope *rope, int64_t position)
{
    int64_t half = rope->dims / 2;
    const float *cos = rope->cos + position * half, *sin = rope->sin + position * half;
    for (int64_t i = 0; i < half; i += VL) {
        int64_t left = TM_MIN(VL, half - i);
        vf a = v_loadn(head + i, left), b = v_loadn(head + half + i, left);
        vf c = v_loadn(cos + i, left), s = v_loadn(sin + i, left);
        v_storen(head + i, left, v_fnma(b, s, v_mul(a, c)));
        v_storen(head + half + i, left, v_fma(a, s, v_mul(b, c)));
    }
}

static void prepare(struct tm_tensor *t, int32_t heads, const struct tm_norm *norm,
                    const struct tm_qk_args *args)
{
    if (norm != NULL && norm->kind == TM_NORM_NONE)
        norm = NULL;
    for (int64_t r = 0; r < t->rows; r++) {
        float *head = kern_row(t, r);
        for (int32_t h = 0; h < heads; h++, head += args->head_dim) {
            if (norm != NULL)
                SIMD(norm_row)(head, head, args->head_dim, norm);
            if (args->rope != NULL)
                rotate(head, args->rope, args->positions[r]);
        }
    }
}

enum tm_status SIMD(qk_prep)(struct tm_stream *stream, struct tm_tensor *q, struct tm_tensor *k,
                             const struct tm_tensor *v, const struct tm_qk_args *args)
{
    if ((q != NULL && q->dtype != TM_F32) || (k != NULL && k->dtype != TM_F32))
        return TM_UNSUPPORTED;
    if (q != NULL)
        prepare(q, args->heads, args->q_norm, args);
    if (k != NULL)
        prepare(k, args->kv_heads, args->k_norm, args);
    if (args->append == NULL)
        return TM_OK;
    struct tm_qk_args rest = *args; /* q and k are done: only the append is left */
    rest.rope = NULL;
    rest.q_norm = rest.k_norm = NULL;
    return kern_ref_ops.qk_prep(stream, NULL, k, v, &rest);
}
