/* The operations of the reference: plain C, the specification of all others. Never optimised;
 * every function accepts F32, BF16 and F16 for each operand unless its file says otherwise. */
#ifndef TM_REF_H
#define TM_REF_H

#include "../kern.h"

tm_embed_fn ref_embed;
tm_gemm_fn ref_gemm;
tm_add_norm_fn ref_add_norm;
tm_glu_fn ref_glu;
tm_qk_prep_fn ref_qk_prep;
tm_attn_varlen_fn ref_attn_varlen;
tm_attn_cached_fn ref_attn_cached;
tm_logits_topk_fn ref_logits_topk;
tm_beam_step_fn ref_beam_step;
tm_sample_step_fn ref_sample_step;
tm_pool_classify_fn ref_pool_classify;
tm_gather_rows_fn ref_gather_rows;
tm_quantize_rows_fn ref_quantize_rows;
tm_convert_fn ref_convert;

/* --- logits.c --- */
void ref_log_softmax(float *x, int64_t n);
/* All scores of row r of the step after the processors: (V). */
enum tm_status ref_logits(struct tm_stream *stream, const struct tm_tensor *x,
                          const struct tm_logits_args *args, int64_t r, float *scores);

#endif
