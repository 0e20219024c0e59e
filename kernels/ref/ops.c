/* The table of the reference. The decode operations have no family that needs them yet. */
#include "ref.h"

const struct tm_ops kern_ref_ops = {
    .embed = ref_embed,
    .embed_variant = "ref",
    .gemm = ref_gemm,
    .gemm_variant = "ref",
    .add_norm = ref_add_norm,
    .add_norm_variant = "ref",
    .glu = ref_glu,
    .glu_variant = "ref",
    .qk_prep = ref_qk_prep,
    .qk_prep_variant = "ref",
    .attn_varlen = ref_attn_varlen,
    .attn_varlen_variant = "ref",
    .pool_classify = ref_pool_classify,
    .pool_classify_variant = "ref",
    .gather_rows = ref_gather_rows,
    .gather_rows_variant = "ref",
    .quantize_rows = ref_quantize_rows,
    .quantize_rows_variant = "ref",
    .convert = ref_convert,
    .convert_variant = "ref",
};
