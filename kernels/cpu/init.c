/* The slots that this instruction set overrides. Compiled once per set. */
#include "simd.h"

#define SET(op)                                                                                    \
    do {                                                                                           \
        ops->op = SIMD(op);                                                                        \
        ops->op##_variant = SIMD_TEXT(TM_SIMD);                                                    \
    } while (0)

void SIMD(kern_cpu_init)(struct kern_cpu *cpu)
{
    struct tm_ops *ops = &cpu->backend.ops;
    SET(embed);
    SET(add_norm);
    SET(glu);
    SET(qk_prep);
    SET(attn_varlen);
    SET(attn_cached);
    SET(logits_topk);
    SET(sample_step);
    SET(pool_classify);
    SET(quantize_rows);
    SET(convert);
    cpu->epilogue = SIMD(epilogue);
    cpu->gemm[TM_F32] = (struct kern_gemm){SIMD(gemm), SIMD_TEXT(TM_SIMD), TILE_COLS, VL, 1, 0};
    SIMD(kern_gemm_int8)(cpu);
    SIMD(kern_gemm_bf16)(cpu);
}
